/** Light or dark: the system's choice until the visitor makes one. */
import { byId } from "../dom.ts";

const KEY = "countersign-demo-theme";

export function installThemeSwitch(): void {
  const root = document.documentElement;
  const chosen = localStorage.getItem(KEY);
  if (chosen !== null) root.dataset["theme"] = chosen;
  byId("theme").addEventListener("click", () => {
    const dark = root.dataset["theme"]
      ? root.dataset["theme"] === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset["theme"] = dark ? "light" : "dark";
    localStorage.setItem(KEY, root.dataset["theme"]);
  });
}
