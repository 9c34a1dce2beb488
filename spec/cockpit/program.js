// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs tukit-sysext: the only place that does. It is given words, never a line for a shell, and answers with JSON
// (tukit-sysext-json(5)); what it writes to standard error are messages for people, with their next steps.

const cockpit = window.cockpit;

const PROGRAM = "/usr/bin/tukit-sysext";

// Every command that this page runs, the options that it gives, and the keys that it reads of the answer.
export const COMMANDS = {
    "snapshots": {
        "options": [],
        "keys": ["snapshots", "number", "date", "description", "system", "default", "running", "open", "images",
                 "unknown", "link", "kind", "image", "shown", "condition"]
    },
    "status": {
        "options": ["--follow"],
        "keys": ["job", "snapshot", "stage", "bytes", "size", "files", "file", "done", "trees", "tree",
                 "running", "boots_next", "system", "links", "link", "kind", "image", "shown", "condition",
                 "quarantined", "reason", "masked", "unknown", "problems", "refused", "since", "times", "images",
                 "next_step", "missed", "repair", "name", "lost", "other_plugins"]
    },
    "list": {
        "options": ["--snapshot"],
        "keys": ["system", "images", "name", "wanted", "policy", "hold", "installed", "shown_installed",
                 "shown_newest", "newest_source", "update", "damage", "state", "not_understood",
                 "source", "file", "not_asked", "reason"]
    },
    "why-not": {
        "options": ["--snapshot"],
        "keys": ["system", "against", "reason", "not_had", "versions", "shown", "source", "link", "damage", "usable",
                 "standing", "rules", "rule", "fits", "image", "not_asked"]
    },
    "sources": {
        "options": [],
        "keys": ["sources", "name", "file", "enabled", "where", "verify", "keys", "fingerprint", "user_ids", "expires",
                 "newest_seen", "health", "asked", "last_good", "images", "failing_since", "reason", "next_step",
                 "warnings", "problems", "next_steps", "masked", "differences", "tree", "snapshot", "missing", "beside",
                 "different"]
    },
    "sources refresh": {
        "options": [],
        "keys": ["sources", "name", "reason"]
    },
    "gc": {
        "options": ["--dry-run"],
        "keys": ["images", "file", "size", "fate", "reason", "needed_by", "goes_after", "deleted", "unknown", "failed",
                 "fault", "store_bytes", "store_max"]
    },
    "update": {
        "options": ["--dry-run", "--now"],
        "keys": ["refreshed", "trees", "tree", "snapshot", "running", "boots_next", "images", "name", "action",
                 "shown_before", "shown", "reason", "warnings", "not_asked", "source"]
    },
    "install": {
        "options": ["--policy", "--now"],
        "keys": ["refreshed", "trees", "tree", "snapshot", "running", "boots_next", "images", "name", "action",
                 "shown_before", "shown", "reason", "warnings", "not_asked", "source"]
    },
    "remove": {
        "options": ["--now"],
        "keys": ["refreshed", "trees", "tree", "snapshot", "running", "boots_next", "images", "name", "action",
                 "shown_before", "shown", "reason", "warnings", "not_asked", "source"]
    },
    "hold": {
        "options": [],
        "keys": ["refreshed", "trees", "tree", "snapshot", "running", "boots_next", "images", "name", "action",
                 "shown_before", "shown", "reason", "warnings", "not_asked", "source"]
    },
    "unhold": {
        "options": [],
        "keys": ["refreshed", "trees", "tree", "snapshot", "running", "boots_next", "images", "name", "action",
                 "shown_before", "shown", "reason", "warnings", "not_asked", "source"]
    }
};

// A command that failed: its messages, each a text and the next steps of it.
export class Failure extends Error {
    constructor(messages) {
        super(messages.map(message => message.text).join("\n"));
        this.messages = messages;
    }
}

// The words of a command line. Options are names, with a value where they have one: {"--now": true, "--snapshot": 42}.
// An option that is false, null or undefined is left out. Names stand behind "--": none of them is an option.
function words(command, options, names) {
    const line = [PROGRAM, ...command.split(" "), "--json"];
    for (const [option, value] of Object.entries(options)) {
        if (!COMMANDS[command].options.includes(option))
            throw new Error(`${command} ${option}: not in COMMANDS`);
        if (value !== false && value !== null && value !== undefined)
            line.push(option, ...(value === true ? [] : [String(value)]));
    }
    return names.length ? [...line, "--", ...names] : line;
}

const answers = new WeakMap();

// An answer of which only the keys of COMMANDS can be read: another one, or one that is missing, is a fault that is
// shown, and no silent "undefined".
function checked(value, keys) {
    if (Array.isArray(value))
        return value.map(each => checked(each, keys));
    if (value === null || typeof value !== "object")
        return value;
    const answer = new Proxy(value, {
        get(target, key) {
            if (typeof key === "symbol" || key === "then") // asked by "await"
                return undefined;
            if (!keys.includes(key) || !Object.hasOwn(target, key))
                throw new Error(`an answer of tukit-sysext without "${key}" was not expected`);
            return checked(target[key], keys);
        }
    });
    answers.set(answer, { value, keys });
    return answer;
}

// Name and value of each property of an object that has names for keys.
export function entries(answer) {
    const { value, keys } = answers.get(answer);
    return Object.entries(value).map(([name, each]) => [name, checked(each, keys)]);
}

// The messages of standard error: "tukit-sysext: TEXT", below it "  next step: COMMAND", or COMMAND on its own line.
export function messagesOf(text) {
    const messages = [];
    let inStep = false;
    for (const line of (text || "").split("\n").filter(each => each.trim())) {
        const step = /^\s*next step:\s*(.*)$/i.exec(line);
        const last = messages.at(-1);
        if (step && last) {
            inStep = !step[1];
            if (step[1])
                last.steps.push(step[1]);
        } else if (inStep && /^\s/.test(line)) {
            last.steps.push(line.trim());
        } else if (/^\s/.test(line) && last) {
            last.text += `\n${line.trim()}`;
        } else {
            inStep = false;
            messages.push({ text: line.replace(/^tukit-sysext: /, ""), steps: [] });
        }
    }
    return messages;
}

function parsed(command, text) {
    try {
        return checked(JSON.parse(text), COMMANDS[command].keys);
    } catch (error) {
        if (error instanceof SyntaxError)
            return null;
        throw error;
    }
}

function failureOf(command, error) {
    if (error.problem === "access-denied" || error.problem === "authentication-failed")
        return new Failure([{ text: "This needs administrative access. Turn it on at the top of the page.", steps: [] }]);
    if (error.problem === "not-found")
        return new Failure([{ text: `${PROGRAM} is not installed.`, steps: [] }]);
    const messages = messagesOf(error.message);
    return new Failure(messages.length ? messages : [{ text: `tukit-sysext ${command} failed.`, steps: [] }]);
}

function spawn(line, superuser) {
    return cockpit.spawn(line, { superuser, err: "message", environ: ["LC_ALL=C.UTF-8"] });
}

// Resolves to {answer, messages}. Commands that end with another status than 0 may have an answer, too: then it counts,
// and the messages say what is wrong. Without an answer it is a Failure.
function run(command, superuser, options, names) {
    return new Promise((resolve, reject) => {
        const done = (text, message) => {
            try {
                const answer = parsed(command, text || "");
                if (answer === null)
                    reject(failureOf(command, { message }));
                else
                    resolve({ answer, messages: messagesOf(message) });
            } catch (error) {
                reject(error);
            }
        };
        spawn(words(command, options, names), superuser).then(
            done,
            (error, text) => (error.problem ? reject(failureOf(command, error)) : done(text, error.message)));
    });
}

// Ask, as administrator where that is possible.
export function ask(command, options = {}, names = []) {
    return run(command, "try", options, names);
}

// Change something, as administrator.
export function change(command, options = {}, names = []) {
    return run(command, "require", options, names);
}

// Calls `show` with the running job for each change of it; resolves when it is over. Never rejects.
export function follow(show) {
    let rest = "";
    return new Promise(resolve => {
        spawn(words("status", { "--follow": true }, []), "try")
            .stream(text => {
                const lines = (rest + text).split("\n");
                rest = lines.pop();
                for (const line of lines.filter(each => each.startsWith("{"))) {
                    const job = parsed("status", line);
                    if (job !== null)
                        show(job);
                }
            })
            .then(resolve, resolve);
    });
}
