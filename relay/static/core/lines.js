/** Cuts a stream of text into lines; an unfinished one waits for the rest. */
export class LineSplitter {
  #rest = "";

  /**
   * Return the lines that are complete now, without their newlines. Cost O(text).
   *
   * @param {string} text as it came, cut anywhere
   */
  feed(text) {
    const lines = (this.#rest + text).split("\n");
    this.#rest = lines.pop() ?? "";
    return lines;
  }
}
