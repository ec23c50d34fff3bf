/**
 * `bellwether completion`: scripts for bash, zsh and fish, written from the same specifications that
 * the command line is parsed by. They are text: completing starts no program.
 */

import {
  type CommandInput,
  type CommandIo,
  type CommandSpec,
  EXIT,
  type OptionSpec,
} from "./command.ts";

export type CommandEntry = {
  readonly name: string;
  readonly summary: string;
  readonly load: () => Promise<{ readonly command: CommandSpec }>;
};

const SHELLS = ["bash", "zsh", "fish"] as const;
const EVERYWHERE = [
  { word: "--json", about: "results as JSON" },
  { word: "--quiet", about: "no progress and no news" },
  { word: "--help", about: "what it does and how it is called" },
];

/** What may be typed after some words of `bellwether`. */
type Place = {
  /** `""`, `gateway`, `nodes add`. */
  readonly at: string;
  readonly commands: readonly { readonly word: string; readonly about: string }[];
  readonly options: readonly OptionSpec[];
  readonly takesFiles: boolean;
};

/** @param entries all commands, this one among them */
export function completionCommand(entries: readonly CommandEntry[]): CommandSpec {
  return {
    name: "completion",
    summary: "a script that lets bash, zsh or fish complete commands and options",
    arguments: [{ name: "<shell>", description: SHELLS.join(", ") }],
    options: [],
    examples: [
      "bellwether completion bash > ~/.local/share/bash-completion/completions/bellwether",
      "bellwether completion zsh > ~/.zsh/completions/_bellwether",
      "bellwether completion fish > ~/.config/fish/completions/bellwether.fish",
    ],
    run: (input, io) => run(entries, input, io),
  };
}

async function run(
  entries: readonly CommandEntry[],
  input: CommandInput,
  io: CommandIo,
): Promise<number> {
  const [shell] = input.arguments;
  const write = { bash: bashScript, zsh: zshScript, fish: fishScript }[shell as "bash"];
  if (write === undefined) {
    io.note(`completion: ${shell} is none of ${SHELLS.join(", ")}`);
    return EXIT.usage;
  }
  const script = write(await placesOf(entries));
  if (io.json) io.printJson({ shell, script });
  else io.print(script);
  return EXIT.ok;
}

async function placesOf(entries: readonly CommandEntry[]): Promise<readonly Place[]> {
  const commands = entries.map(({ name, summary }) => ({ word: name, about: summary }));
  const places: Place[] = [{ at: "", commands, options: [], takesFiles: false }];
  const add = (spec: CommandSpec, above: string): void => {
    const at = `${above} ${spec.name}`.trim();
    const inner = "commands" in spec ? spec.commands : [];
    places.push({
      at,
      commands: inner.map(({ name, summary }) => ({ word: name, about: summary })),
      options: spec.options,
      takesFiles: (spec.arguments ?? []).some(({ name }) => /file|dir|path|model/.test(name)),
    });
    for (const one of inner) add(one, at);
  };
  for (const entry of entries) {
    if (entry.name === "completion") {
      places.push({ at: "completion", commands: shellWords(), options: [], takesFiles: false });
    } else add((await entry.load()).command, "");
  }
  return places;
}

function shellWords(): Place["commands"] {
  return SHELLS.map((word) => ({ word, about: `for ${word}` }));
}

function longName(option: OptionSpec): string {
  return option.flags.split(" ")[0] ?? "";
}

/** What an option's value may be: words, files, or anything. */
function wantedBy(option: OptionSpec): "none" | "files" | "any" | readonly string[] {
  if (option.kind === "flag") return "none";
  if (option.choices !== undefined) return option.choices;
  return /<(file|dir|folder|path|config)>/.test(option.flags) ? "files" : "any";
}

function wordsOf(place: Place): readonly { readonly word: string; readonly about: string }[] {
  const options = place.options.map((option) => ({
    word: longName(option),
    about: option.description,
  }));
  return [...place.commands, ...options, ...EVERYWHERE];
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

/** The places that a word can lead to, as a shell's pattern. */
function knownPlaces(places: readonly Place[]): string {
  return places
    .filter(({ at }) => at !== "")
    .map(({ at }) => quoted(at))
    .join("|");
}

function bashScript(places: readonly Place[]): string {
  const values = places.flatMap(({ at, options }) =>
    options.flatMap((option) => {
      const value = wantedBy(option);
      if (value === "none") return [];
      const reply =
        value === "files" ? "-f" : value === "any" ? undefined : `-W ${quoted(value.join(" "))}`;
      const fill =
        reply === undefined ? "" : `mapfile -t COMPREPLY < <(compgen ${reply} -- "$cur"); `;
      return [`    ${quoted(`${at} ${longName(option)}`)}) ${fill}return ;;`];
    }),
  );
  const words = places.map(({ at, takesFiles, ...place }) => {
    const list = quoted(
      wordsOf({ at, takesFiles, ...place })
        .map(({ word }) => word)
        .join(" "),
    );
    return `    ${quoted(at)}) words=${list}${takesFiles ? " files=yes" : ""} ;;`;
  });
  return `# bash completion of bellwether, written by \`bellwether completion bash\`
_bellwether() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]} at='' word words='' files=''
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${at:+$at }$word" in
    ${knownPlaces(places)}) at="\${at:+$at }$word" ;;
    esac
  done
  case "$at $prev" in
${values.join("\n")}
  esac
  case "$at" in
${words.join("\n")}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
  if [ -n "$files" ] && [[ $cur != -* ]]; then
    mapfile -t -O "\${#COMPREPLY[@]}" COMPREPLY < <(compgen -f -- "$cur")
  fi
}
complete -o filenames -F _bellwether bellwether`;
}

function zshScript(places: readonly Place[]): string {
  const described = places.map((place) => {
    const lines = wordsOf(place).map(({ word, about }) =>
      quoted(`${word}:${about.replaceAll(":", "\\:")}`),
    );
    const files = place.takesFiles ? " files=yes" : "";
    return `    (${quoted(place.at)}) candidates=(${lines.join(" ")})${files} ;;`;
  });
  const values = places.flatMap(({ at, options }) =>
    options.flatMap((option) => {
      const value = wantedBy(option);
      if (value === "none") return [];
      const fill =
        value === "files" ? "_files; " : value === "any" ? "" : `compadd -- ${value.join(" ")}; `;
      return [`    (${quoted(`${at} ${longName(option)}`)}) ${fill}return ;;`];
    }),
  );
  return `#compdef bellwether
# zsh completion of bellwether, written by \`bellwether completion zsh\`
_bellwether() {
  local at='' word files=''
  local -a candidates
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${at:+$at }$word" in
    (${knownPlaces(places)}) at="\${at:+$at }$word" ;;
    esac
  done
  case "$at \${words[CURRENT-1]}" in
${values.join("\n")}
  esac
  case "$at" in
${described.join("\n")}
  esac
  _describe bellwether candidates
  [[ -n $files ]] && _files
}
compdef _bellwether bellwether`;
}

function fishScript(places: readonly Place[]): string {
  const lines = places.flatMap((place) => {
    const when = `-n ${quoted(`test "$(__bellwether_at)" = "${place.at}"`)}`;
    const commands = place.commands.map(
      ({ word, about }) => `complete -c bellwether ${when} -f -a ${word} -d ${quoted(about)}`,
    );
    const options = place.options.map((option) => {
      const value = wantedBy(option);
      const how =
        value === "none"
          ? ""
          : value === "files"
            ? " -r -F"
            : value === "any"
              ? " -x"
              : ` -x -a ${quoted(value.join(" "))}`;
      const name = longName(option).slice(2);
      return `complete -c bellwether ${when} -l ${name}${how} -d ${quoted(option.description)}`;
    });
    const files = place.takesFiles ? [] : [`complete -c bellwether ${when} -f`];
    return [...files, ...commands, ...options];
  });
  const everywhere = EVERYWHERE.map(
    ({ word, about }) => `complete -c bellwether -l ${word.slice(2)} -d ${quoted(about)}`,
  );
  const known = places.filter(({ at }) => at !== "").map(({ at }) => quoted(at));
  return `# fish completion of bellwether, written by \`bellwether completion fish\`
function __bellwether_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    set -l next (string trim "$at $word")
    contains -- $next ${known.join(" ")}; and set at $next
  end
  echo $at
end
${[...everywhere, ...lines].join("\n")}`;
}
