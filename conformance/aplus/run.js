// node --stack-size=8192 run.js SUITE WASM_EXEC WASM CONSTRUCTION
//
// SUITE is the folder of the package promises-aplus-tests, WASM_EXEC the wasm_exec.js of Go, WASM
// the compiled main.go, and CONSTRUCTION its argument. Prints the report of the suite as JSON.
"use strict";
const [suite, wasmExec, wasm, construction] = process.argv.slice(2);
require(wasmExec);

class GoPromise {
  constructor(number) { this.number = number; }
  then(onFulfilled, onRejected) {
    return new GoPromise(host.then(this.number, onFulfilled, onRejected));
  }
}

const adapter = {
  deferred() {
    const number = host.newPromise();
    return {
      promise: new GoPromise(number),
      resolve(x) { host.resolve(number, x); },
      reject(reason) { host.reject(number, reason); },
    };
  },
  resolved(x) { return new GoPromise(host.resolved(x)); },
  rejected(reason) { return new GoPromise(host.rejected(reason)); },
};

function attempt(fn) {
  try { return [fn(), false]; } catch (thrown) { return [thrown, true]; }
}

function exitAfterOutput(err) {
  process.stdout.write("\n", () => process.exit(err ? 1 : 0));
}

// What Go calls; main.go adds what it exports.
const host = globalThis.host = {
  schedule() { queueMicrotask(() => host.runJob()); },
  numberOf(x) { return x instanceof GoPromise ? x.number : 0; },
  typeError(text) { return new TypeError(text); },
  getThen(x) { return attempt(() => x.then); },
  callThen(then, x, onFulfilled, onRejected) {
    return attempt(() => { then.call(x, y => { onFulfilled(y); }, r => { onRejected(r); }); });
  },
  ready() {
    // A test may take ten seconds, and not 200 ms, as the machine may be busy.
    const options = { reporter: "json", timeout: 10_000, bail: true };
    setTimeout(() => require(suite)(adapter, options, exitAfterOutput));
  },
};

const go = new Go();
go.argv = ["aplus", construction];
WebAssembly.instantiate(require("fs").readFileSync(wasm), go.importObject)
  .then(result => go.run(result.instance))
  .then(() => { console.error("Go has exited"); process.exit(2); });
