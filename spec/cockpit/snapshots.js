// SPDX-License-Identifier: LGPL-2.1-or-later
// The matrix: snapshots downwards, the newest first, images across, versions in the cells.

import { alert, badge, count, empty, make, messages, time } from "./elements.js";
import { ask, entries } from "./program.js";

// What a snapshot has: by image (or the entry's name, where it is not one of ours) its entries.
function imagesOf(links) {
    const images = new Map();
    for (const entry of links) {
        const name = entry.image ?? entry.link;
        images.set(name, [...(images.get(name) ?? []), entry]);
    }
    return images;
}

function shown(images, name) {
    return (images?.get(name) ?? []).map(entry => (entry.image === null ? entry.kind : entry.shown)).join(", ");
}

// A cell says the version, what changed since the older snapshot, and in words what is wrong.
function cell(images, older, name) {
    if (images === null)
        return make("td", { class: "unknown" }, "?");
    const version = shown(images, name);
    const before = older === null ? version : shown(older, name);
    if (!version)
        return make("td", { class: before ? "changed" : "absent" }, before ? "removed" : "-");
    const wrong = [...new Set(images.get(name).map(entry => entry.condition))]
        .filter(condition => condition !== null && condition !== "whole");
    return make("td", { class: version === before ? null : "changed", title: version === before ? null : before ? `before: ${before}` : "new" },
                version,
                wrong.map(condition => [" ", badge(condition, "bad")]),
                images.get(name).some(entry => entry.image === null) && [" ", badge("not ours", "warning")]);
}

function refusedRow(refused, names) {
    const images = new Map(entries(refused.images));
    return make("tr", { class: "refused" },
                make("th", { scope: "row" }, badge("refused", "bad"), " ", make("small", {}, time(refused.since)),
                     make("div", {}, make("small", {}, refused.system))),
                names.map(name => (images.has(name)
                    ? make("td", { title: images.get(name).reason }, badge("does not fit", "bad"))
                    : make("td", { class: "absent" }, "-"))));
}

function row(snapshot, images, older, names) {
    const heading = make("th", { scope: "row", title: snapshot.description },
                         make("span", { class: "number" }, snapshot.title),
                         snapshot.running && [" ", badge("running", "info")],
                         snapshot.next && [" ", badge("next", "good")],
                         snapshot.open && [" ", badge("transaction", "warning")],
                         snapshot.date && [" ", make("small", {}, time(snapshot.date))],
                         make("div", {}, make("small", {}, snapshot.system)));
    return make("tr", { class: snapshot.running || snapshot.next ? "current" : null }, heading,
                images === null
                    ? make("td", { class: "unknown", colspan: names.length || 1 }, `not known: ${snapshot.unknown}`)
                    : names.map(name => cell(images, older, name)));
}

// Of those who may not see the snapshots: the trees of "status".
function treesOf(status) {
    return status.trees.map(each => ({
        title: each.tree.snapshot === null ? "" : `${each.tree.snapshot}`, running: each.tree.running,
        next: each.tree.boots_next && each.tree.snapshot !== null, open: false, system: each.system, date: null,
        description: "", images: each.links, unknown: each.unknown,
    }));
}

function snapshotsOf(answer) {
    return answer.snapshots.map(each => ({
        title: `${each.number}`, running: each.running, next: each.default, open: each.open, system: each.system,
        date: each.date, description: each.description, images: each.images, unknown: each.unknown,
    })).reverse();
}

export async function snapshotsView(page) {
    const [{ answer, messages: said }, status] = await Promise.all([ask("snapshots"), page.status]);
    const hidden = answer.snapshots.length === 0;
    const snapshots = hidden ? treesOf(status) : snapshotsOf(answer);
    const images = snapshots.map(each => (each.images === null ? null : imagesOf(each.images)));
    const all = new Set(images.flatMap(each => [...(each?.keys() ?? [])]));
    if (status.refused !== null)
        entries(status.refused.images).forEach(([name]) => all.add(name));
    const names = [...all].sort((a, b) => a.localeCompare(b));

    const notes = [
        ...messages(said),
        hidden && alert("info", "Only the running system is shown",
                        make("p", {}, page.allowed ? answer.unknown.join("; ")
                            : "Administrative access is needed to look into the other snapshots.")),
        !hidden && answer.unknown.length > 0 && alert("warning", "Not everything is known",
                                                      make("ul", {}, answer.unknown.map(each => make("li", {}, each)))),
    ];
    if (!names.length && images.every(each => each !== null))
        return [...notes, empty("No snapshot has an extension image",
                                make("p", {}, "Images that you install are linked into the running system and into the one that boots next."))];

    const body = make("tbody");
    const head = make("thead");
    const draw = filter => {
        const some = names.filter(name => name.toLowerCase().includes(filter.toLowerCase()));
        head.replaceChildren(make("tr", {}, make("th", { scope: "col" }, "Snapshot"),
                                  some.map(name => make("th", { scope: "col" }, name))));
        body.replaceChildren(
            ...(status.refused === null ? [] : [refusedRow(status.refused, some)]),
            ...snapshots.map((each, index) => row(each, images[index], images[index + 1] ?? null, some)));
    };
    draw("");
    const filter = make("input", { type: "search", placeholder: "Filter images", "aria-label": "Filter images",
                                   oninput: event => draw(event.target.value) });
    return [
        ...notes,
        make("div", { class: "bar" },
             make("p", {}, `${count(snapshots.length, "snapshot")}, ${count(names.length, "image")}. `,
                  snapshots.length > 1 && "Highlighted: what differs from the snapshot below."),
             names.length > 6 && filter),
        make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Images of each snapshot" },
             make("table", { class: "matrix" }, head, body)),
    ];
}
