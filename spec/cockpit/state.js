// SPDX-License-Identifier: LGPL-2.1-or-later
// What is wrong with the machine's images now, above every view.

import { alert, make, textWithSteps, time, treeName } from "./elements.js";
import { entries } from "./program.js";

function heldBack(images) {
    return entries(images).flatMap(([name, each]) =>
        [make("h3", {}, name), ...textWithSteps(each.reason, each.next_step === null ? [] : [each.next_step])]);
}

function list(items) {
    return make("ul", {}, items.map(item => make("li", {}, item)));
}

function inTree(each) {
    const notes = [
        ...each.quarantined.map(link => `${link.link} is in quarantine: ${link.reason ?? "reason unknown"}`),
        ...entries(each.masked).map(([name, file]) => `${name} is masked by ${file}`),
        ...each.problems,
    ];
    return notes.length ? [alert("warning", `In the ${treeName(each.tree)}`, list(notes))] : [];
}

export function stateOf(status) {
    const { refused, lost, repair } = status;
    const missed = entries(status.missed);
    return [
        refused !== null && alert("bad", `An update to ${refused.system} is refused`,
                                  make("p", {}, "since ", time(refused.since), refused.times > 1 ? `, ${refused.times} times` : "",
                                       ". The system stays as it is."),
                                  ...heldBack(refused.images)),
        missed.length > 0 && alert("warning", "An update came without a required image", ...heldBack(status.missed)),
        lost.length > 0 && alert("bad", "The running system lost images",
                                 list(lost.map(each => `${each.name} ${each.shown}, which snapshot ${each.snapshot} has: ${each.reason}`))),
        repair.length > 0 && alert("bad", "Images have to be repaired",
                                   list(repair.map(each => `${each.name} ${each.shown}, ${each.snapshot === null ? "the running system" : `snapshot ${each.snapshot}`}: ${each.reason}`)),
                                   ...textWithSteps("Repairing is tried again from time to time, and at once by:", ["tukit-sysext verify --all --repair"])),
        ...status.trees.flatMap(inTree),
        status.other_plugins.length > 0 && alert("warning", "Another tool's plugin for extension images is active", list(status.other_plugins),
                                                 ...textWithSteps("Both would link images.", ["tukit-sysext status"])),
    ].filter(each => each);
}
