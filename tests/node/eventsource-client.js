// A client by the package "eventsource": reads until the entry "end". Its connection is cut after so
// many bytes, inside an event or a character; it resumes by itself. Prints what it got as JSON.
//
//     node eventsource-client.js URL CUTS
import { EventSource } from "eventsource";

const [, , url, cuts] = process.argv;
const got = { messages: [], gaps: 0, connections: 0, extensions: "" };
let cutsLeft = Number(cuts);

/** Let a body end after so many bytes. */
function cutAfter(body, bytes) {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await reader.read();
      if (!done && value.length < bytes) {
        bytes -= value.length;
        return controller.enqueue(value);
      }
      if (!done) controller.enqueue(value.subarray(0, bytes));
      await reader.cancel();
      controller.close();
    },
  });
}

async function fetchAndCut(input, init) {
  const { body, url, status, redirected, headers } = await fetch(input, init);
  got.connections += 1;
  const cut = cutsLeft-- > 0 ? cutAfter(body, 1 + Math.floor(Math.random() * 50_000)) : body;
  return { body: cut, url, status, redirected, headers };
}

const source = new EventSource(url, { fetch: fetchAndCut });
source.addEventListener("gap", () => (got.gaps += 1));
source.addEventListener("log", (event) => {
  got.messages.push(JSON.parse(event.data).message);
  if (got.messages.at(-1) === "end") {
    source.close();
    console.log(JSON.stringify(got));
  }
});
