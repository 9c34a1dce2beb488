// SPDX-License-Identifier: LGPL-2.1-or-later
// Elements of the page. Text becomes text nodes and attributes, and never markup.

// make("td", {class: "bad", onclick: ...}, "text", element, ...): null, undefined and false are left out.
export function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on"))
            element.addEventListener(name.slice(2), value);
        else if (value === true)
            element.setAttribute(name, "");
        else if (value !== false && value !== null && value !== undefined)
            element.setAttribute(name, String(value));
    }
    element.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false));
    return element;
}

export function button(label, onclick, attributes = {}) {
    return make("button", { type: "button", onclick, ...attributes }, label);
}

// A word with a colour: "good", "warning", "bad", "info", or none.
export function badge(text, tone = "") {
    return make("span", { class: `badge ${tone}` }, text);
}

const COMMAND = /^(sudo|tukit-sysext|transactional-update|snapper|zypper|systemctl|systemd-sysext|rm|ls) /;

// A text with the next steps, each on a line of its own, also the parts of one; a command can be copied whole.
export function textWithSteps(text, steps) {
    return [make("p", { class: "message" }, text), ...nextSteps(steps)];
}

export function nextSteps(steps) {
    return steps.flatMap(step => step.split("\n"))
            .map(step => make("p", { class: "step" }, "Next step: ", COMMAND.test(step) ? make("code", {}, step) : step));
}

// What is to be known: tone "good", "info", "warning" or "bad".
export function alert(tone, title, ...children) {
    return make("section", { class: `alert ${tone}`, role: tone === "bad" ? "alert" : null },
                make("h2", {}, title), ...children);
}

export function messages(list) {
    return list.map(message => textWithSteps(message.text, message.steps)).flat();
}

// A table that becomes a list of cards where the screen is narrow. Rows are arrays of cells: text, elements, arrays.
export function table(caption, titles, rows) {
    const row = cells => make("tr", {}, cells.map((cell, index) => (index === 0
        ? make("th", { scope: "row" }, cell)
        : make("td", { "data-title": titles[index] }, make("div", {}, cell)))));
    return make("table", { class: "cards" },
                make("caption", {}, caption),
                make("thead", {}, make("tr", {}, titles.map(title => make("th", { scope: "col" }, title)))),
                make("tbody", {}, rows.map(row)));
}

export function empty(title, ...children) {
    return make("div", { class: "empty" }, make("h2", {}, title), ...children);
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

// Bytes in binary units, as the program writes them.
export function size(bytes) {
    let number = bytes;
    let unit = 0;
    for (; number >= 1024 && unit < UNITS.length - 1; unit++)
        number /= 1024;
    return unit ? `${number.toFixed(1)}\u00a0${UNITS[unit]}` : `${bytes}\u00a0B`;
}

// A time of the answers, as the browser writes times.
export function time(text) {
    const date = new Date(text);
    return make("time", { datetime: text }, date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" }));
}

// "3 files", "1 file"
export function count(number, noun) {
    return `${number} ${noun}${number === 1 ? "" : "s"}`;
}

// How a tree is called. Where nobody may see the snapshots it has no number.
export function treeName(tree) {
    const role = tree.running ? "running system" : tree.boots_next ? "boots next" : "";
    const number = tree.snapshot === null ? "" : `snapshot ${tree.snapshot}`;
    return [number, role].filter(part => part).join(", ") || "a tree";
}

// Asks for confirmation, with choices; resolves to the form's data, or to null. Escape and "Cancel" say no.
export function dialog(title, action, tone, ...children) {
    return new Promise(resolve => {
        const form = make("form", { method: "dialog" },
                          make("h2", { id: "dialog-title" }, title), ...children,
                          make("div", { class: "actions" },
                               make("button", { type: "submit", value: "yes", class: tone }, action),
                               make("button", { type: "submit", value: "", formnovalidate: true }, "Cancel")));
        const element = make("dialog", { "aria-labelledby": "dialog-title" }, form);
        element.addEventListener("close", () => {
            const data = element.returnValue === "yes" ? new FormData(form) : null;
            element.remove();
            resolve(data);
        });
        document.body.append(element);
        element.showModal();
    });
}

// A choice of a form: type "radio" or "checkbox".
export function choice(type, name, value, label, explanation, checked = false) {
    return make("label", { class: "choice" },
                make("input", { type, name, value, checked }),
                make("span", {}, make("strong", {}, label), make("small", {}, explanation)));
}
