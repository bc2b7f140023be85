/**
 * Finds the module specifiers of a TypeScript file, without a parser: TypeScript 7 has no JavaScript API, and a
 * parser that lags behind the language would refuse our sources. A small scanner removes what only looks like code.
 */

export interface ModuleReference {
  readonly specifier: string;
  /** `import type` / `export type`: erased, so nothing of the target ends up in a bundle. */
  readonly typeOnly: boolean;
  readonly line: number;
}

/**
 * The references of `source` in order: static and dynamic imports, re-exports, and `new URL("x", import.meta.url)`,
 * which is how a worker is named. Text in comments and in string or template literals is not code and not looked at.
 */
export function moduleReferences(source: string): ModuleReference[] {
  const { code, strings } = maskLiterals(source);
  const found: { at: number; specifier: string; typeOnly: boolean }[] = [];
  for (const pattern of PATTERNS) {
    for (const match of code.matchAll(pattern)) {
      const literal = match.groups?.["literal"];
      const specifier = literal === undefined ? undefined : strings[Number(literal)];
      if (specifier === undefined) continue;
      found.push({ at: match.index, specifier, typeOnly: match.groups?.["type"] !== undefined });
    }
  }
  found.sort((a, b) => a.at - b.at);
  return found.map(({ at, specifier, typeOnly }) => ({ specifier, typeOnly, line: lineAt(code, at) }));
}

// A masked literal reads "«12»": its index into `strings`. Real sources contain no guillemets outside literals.
const LITERAL = "«(?<literal>\\d+)»";
const PATTERNS = [
  // import x, { y } from "z"; export { y } from "z"; export * from "z". The clause holds no ; ( = or literal.
  new RegExp(
    `\\b(?:import|export)\\s+(?<type>type\\s+(?!from\\b))?(?:(?!\\b(?:import|export)\\b)[^;(=«])*?\\bfrom\\s*${LITERAL}`,
    "g",
  ),
  new RegExp(`\\bimport\\s*${LITERAL}`, "g"),
  new RegExp(`(?<type>typeof\\s+)?\\bimport\\s*\\(\\s*${LITERAL}`, "g"),
  new RegExp(`\\bnew\\s+URL\\s*\\(\\s*${LITERAL}\\s*,\\s*import\\.meta\\.url`, "g"),
];

function lineAt(code: string, at: number): number {
  let line = 1;
  for (let i = 0; i < at; i++) if (code.charCodeAt(i) === 10) line++;
  return line;
}

/** Replaces comments by nothing and literals by their number, keeping line breaks so that line numbers stay right. */
function maskLiterals(source: string): { code: string; strings: string[] } {
  const strings: string[] = [];
  let code = "";
  let i = 0;
  // Depth of `{` inside each open template's `${ }`, innermost last.
  const templates: number[] = [];
  const lineBreaks = (text: string): string => text.replace(/[^\n]/g, "");

  /** Reads a template's characters from `from` to its next `${` or its end; returns where code goes on. */
  const readTemplate = (from: number): number => {
    let at = from;
    while (at < source.length) {
      if (source[at] === "\\") at += 2;
      else if (source[at] === "`") {
        code += lineBreaks(source.slice(from, at)) + " ";
        return at + 1;
      } else if (source.startsWith("${", at)) {
        code += lineBreaks(source.slice(from, at)) + " ";
        templates.push(0);
        return at + 2;
      } else at++;
    }
    return at;
  };

  while (i < source.length) {
    const char = source[i]!;
    if (source.startsWith("//", i)) {
      const end = source.indexOf("\n", i);
      i = end < 0 ? source.length : end;
    } else if (source.startsWith("/*", i)) {
      const end = source.indexOf("*/", i + 2);
      const stop = end < 0 ? source.length : end + 2;
      code += " " + lineBreaks(source.slice(i, stop));
      i = stop;
    } else if (char === '"' || char === "'") {
      let end = i + 1;
      while (end < source.length && source[end] !== char && source[end] !== "\n")
        end += source[end] === "\\" ? 2 : 1;
      code += `«${strings.length}»`;
      strings.push(source.slice(i + 1, end));
      i = end + 1;
    } else if (char === "`") {
      i = readTemplate(i + 1);
    } else if (char === "/" && startsRegExp(code)) {
      const end = regExpEnd(source, i);
      code += " ";
      i = end;
    } else if (char === "{" && templates.length > 0) {
      templates[templates.length - 1]!++;
      code += char;
      i++;
    } else if (char === "}" && templates.length > 0) {
      if (templates[templates.length - 1]! === 0) {
        templates.pop();
        i = readTemplate(i + 1);
      } else {
        templates[templates.length - 1]!--;
        code += char;
        i++;
      }
    } else {
      code += char;
      i++;
    }
  }
  return { code, strings };
}

/** After a value a slash divides; after an operator, an opening bracket or a keyword it starts a regular expression. */
function startsRegExp(codeBefore: string): boolean {
  const before = codeBefore.trimEnd();
  if (before === "") return true;
  if (/(?:^|[^\w$.])(?:return|typeof|case|in|of|void|delete|throw|else|do|await|yield)$/.test(before))
    return true;
  return /[=(,:[!&|?{};+\-*%<>~^]$/.test(before);
}

function regExpEnd(source: string, start: number): number {
  let inClass = false;
  for (let i = start + 1; i < source.length; i++) {
    const char = source[i];
    if (char === "\\") i++;
    else if (char === "\n") return i;
    else if (char === "[") inClass = true;
    else if (char === "]") inClass = false;
    else if (char === "/" && !inClass) return i + 1;
  }
  return source.length;
}
