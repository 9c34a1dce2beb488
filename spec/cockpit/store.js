// SPDX-License-Identifier: LGPL-2.1-or-later
// The image store: what keeps each file, and what a collection frees.

import { alert, badge, button, dialog, empty, make, messages, size, table, time } from "./elements.js";
import { ask } from "./program.js";

export function total(images) {
    return images.reduce((sum, image) => sum + image.size, 0);
}

// "snapshots 1, 3-60, the running system": as many snapshots in a row as there are.
function inShort(needed) {
    const found = needed.map(each => /^snapshot (\d+)$/.exec(each));
    const runs = [];
    for (const number of found.filter(each => each).map(each => Number(each[1])).sort((a, b) => a - b)) {
        if (runs.at(-1)?.at(-1) === number - 1)
            runs.at(-1).splice(1, 1, number);
        else
            runs.push([number]);
    }
    const snapshots = runs.map(run => run.join("-")).join(", ");
    const word = runs.flat().length > 1 ? "snapshots" : "snapshot";
    return [...(snapshots ? [`${word} ${snapshots}`] : []), ...needed.filter((_, index) => !found[index])].join(", ");
}

function row(image) {
    const keeps = image.needed_by.length ? inShort(image.needed_by) : image.reason ?? "";
    return [
        image.file,
        size(image.size),
        badge(image.fate, image.fate === "goes" ? "warning" : ""),
        [keeps, image.goes_after !== null && image.fate !== "goes" && make("div", {}, "not before ", time(image.goes_after))].filter(each => each),
    ];
}

async function collect(page, going) {
    const form = await dialog("Collect images?", "Collect", "danger",
                              make("p", {}, `${going.length} files that no snapshot needs are deleted, ${size(total(going))}.`));
    if (form)
        await page.act("Collecting images", "gc");
}

export async function storeView(page) {
    if (page.allowed === false)
        return [empty("Administrative access is needed",
                      make("p", {}, "What keeps an image can be told only by those who can look into all snapshots."))];
    const { answer, messages: said } = await ask("gc", { "--dry-run": true });
    const going = answer.images.filter(image => image.fate === "goes");
    if (!answer.images.length && !answer.unknown.length)
        return [...messages(said), empty("No image is stored")];
    const images = [...answer.images].sort((a, b) => a.file.localeCompare(b.file));
    return [
        ...messages(said),
        answer.unknown.length > 0 && alert("warning", "Nothing is deleted while something is not known",
                                           make("ul", {}, answer.unknown.map(each => make("li", {}, each)))),
        answer.failed.length > 0 && alert("bad", "Files that could not be looked into",
                                          make("ul", {}, answer.failed.map(each => make("li", {}, `${each.file}: ${each.reason}`)))),
        make("div", { class: "bar" },
             make("p", {}, going.length ? `A collection frees ${size(total(going))}. ` : "A collection frees nothing now. ",
                  `The store has ${size(answer.store_bytes)}, and StoreMax= is ${size(answer.store_max)}.`),
             button("Collect now", () => collect(page, going), { disabled: !page.can || !going.length })),
        answer.store_bytes > answer.store_max && alert("warning", "The store is larger than it should be",
                                                       make("p", {}, "Delete snapshots that are not needed, or raise StoreMax=.")),
        table("Files of the store", ["File", "Size", "Fate", "What keeps it"], images.map(row)),
    ];
}
