// Breaks a text into lines at its words.
// It counts characters, so the text must hold no colour codes.

/** Lines of at most `columns` characters, where no word is longer; newlines of the text stay. */
export function wrapWords(text: string, columns: number): string[] {
  return text.split("\n").flatMap((paragraph) => {
    const lines: string[] = [];
    let line = "";
    for (const word of paragraph.split(" ")) {
      if (line !== "" && line.length + 1 + word.length > columns) {
        lines.push(line);
        line = word;
      } else {
        line = line === "" ? word : `${line} ${word}`;
      }
    }
    return [...lines, line];
  });
}
