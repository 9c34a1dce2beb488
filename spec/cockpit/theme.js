// SPDX-License-Identifier: LGPL-2.1-or-later
// Light or dark, as the shell's menu says ("auto": as the browser does). Not a module: it runs before anything is drawn.
(() => {
    const dark = window.matchMedia("(prefers-color-scheme: dark)");

    function apply(chosen) {
        const style = chosen || localStorage.getItem("shell:style") || "auto";
        document.documentElement.classList.toggle("dark", style === "dark" || (style === "auto" && dark.matches));
    }

    window.addEventListener("storage", event => event.key === "shell:style" && apply());
    window.addEventListener("cockpit-style", event => apply(event.detail.style));
    dark.addEventListener("change", () => apply());
    apply();
})();
