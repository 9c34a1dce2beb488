// SPDX-License-Identifier: LGPL-2.1-or-later
// The sources: where images come from, whose signatures are believed, and how each was when it was asked last.

import { alert, badge, button, count, empty, make, messages, nextSteps, textWithSteps, time, treeName } from "./elements.js";
import { ask, entries } from "./program.js";

function health(source) {
    if (!source.enabled)
        return [badge("disabled")];
    if (source.health === null)
        return [badge("not asked yet", "warning")];
    const { failing_since: since, reason, next_step: step, last_good: good, images, asked } = source.health;
    if (since === null)
        return [badge("ok", "good"), make("p", {}, images === null ? "" : `${count(images, "image")}, asked `, time(asked))];
    return [
        badge("fails", "bad"), make("p", {}, "since ", time(since), ", last good list: ", good === null ? "none" : time(good)),
        ...textWithSteps(reason ?? "", step === null ? [] : [step]),
    ];
}

function key(each) {
    return make("li", {}, make("code", {}, each.fingerprint), " ",
                make("small", {}, `${each.user_ids.join(", ")}, `, each.expires === null ? "does not expire" : ["expires ", time(each.expires)]));
}

function panel(source) {
    return make("article", { class: "panel" },
                make("h2", {}, source.name), ...health(source),
                ...source.problems.map(problem => make("p", { class: "bad" }, problem)),
                ...nextSteps(source.next_steps),
                ...source.warnings.map(warning => make("p", { class: "warning" }, warning)),
                make("dl", {},
                     make("dt", {}, "Where"), make("dd", {}, source.where.map(each => make("div", {}, each))),
                     make("dt", {}, "Signatures"),
                     make("dd", {}, source.verify ? (source.keys.length ? make("ul", { class: "plain" }, source.keys.map(key)) : "required, and no key is known")
                         : badge("not verified", "warning")),
                     source.newest_seen !== null && [make("dt", {}, "Newest list"), make("dd", {}, "signed ", time(source.newest_seen))],
                     make("dt", {}, "Configured in"), make("dd", {}, make("code", {}, source.file))));
}

function difference(each) {
    const parts = [["lacks", each.missing], ["has beside", each.beside], ["says something else of", each.different]];
    return `${treeName({ running: false, boots_next: true, snapshot: each.tree.snapshot })} ` +
        parts.filter(([, names]) => names.length).map(([verb, names]) => `${verb} ${names.join(", ")}`).join("; ");
}

export async function sourcesView(page) {
    const { answer, messages: said } = await ask("sources");
    const masked = entries(answer.masked);
    if (!answer.sources.length && !masked.length)
        return [...messages(said), empty("No source is configured",
                                         make("p", {}, "A source is a server or a folder with images. Add one with the key that signs its list:"),
                                         make("p", { class: "step" }, make("code", {}, "tukit-sysext sources add NAME URL --key FILE")))];
    return [
        ...messages(said),
        make("div", { class: "bar" }, make("p", {}, count(answer.sources.length, "source")),
             button("Check now", () => page.act("Asking the sources", "sources refresh"), { disabled: !page.can })),
        answer.differences.length > 0 && alert("warning", "What boots next has other sources",
                                               make("ul", {}, answer.differences.map(each => make("li", {}, difference(each))))),
        make("div", { class: "panels" }, answer.sources.map(panel)),
        ...masked.map(([name, file]) => make("p", {}, `${name} is masked by ${file}`)),
    ];
}
