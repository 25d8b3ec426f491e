// A client by the package "ws": reads until the entry "end", cuts its connection now and then, and
// resumes after the last id that it has. Prints what it got as one JSON object.
//
//     node ws-client.js URL COMPRESS CUTS
import WebSocket from "ws";

const [, , url, compress, cuts] = process.argv;
const got = { messages: [], gaps: 0, connections: 0, extensions: "" };
let last = 0;
let cutsLeft = Number(cuts);

/** Take an object, or an array of entries. */
function take(one) {
  if (Array.isArray(one)) return one.forEach(take);
  if (one.type === "log") got.messages.push(one.message);
  if (one.type === "gap") got.gaps += 1;
  if (one.id) last = one.id;
}

function connect() {
  const socket = new WebSocket(`${url}&after=${last}`, { perMessageDeflate: compress === "yes" });
  const patience = cutsLeft > 0 ? 1 + Math.floor(Math.random() * 30) : Infinity;
  let heard = 0;
  got.connections += 1;
  socket.on("open", () => (got.extensions += socket.extensions));
  socket.on("message", (data, isBinary) => {
    if (isBinary) throw new Error("a binary message");
    take(JSON.parse(data));
    heard += 1;
    if (got.messages.at(-1) === "end") return socket.close();
    if (heard === patience) {
      cutsLeft -= 1;
      socket.terminate();
    }
  });
  socket.on("close", () => {
    if (got.messages.at(-1) !== "end") return connect();
    console.log(JSON.stringify(got));
  });
}

connect();
