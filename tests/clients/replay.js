// What the clients in JavaScript share: the replay of a workload, and small things.
"use strict";
const fs = require("fs");

const PATIENCE = 20;
const [host, port, workload] = process.argv.slice(2);

// Buffers are compared as what they hold; absent is null.
function plain(value) {
	if (Buffer.isBuffer(value)) return value.toString("latin1");
	return value === undefined ? null : value;
}

function same(what, got, expected) {
	const g = JSON.stringify(plain(got)), e = JSON.stringify(plain(expected));
	if (g !== e) throw new Error(`${what}: got ${g.slice(0, 200)}, expected ${e.slice(0, 200)}`);
}

function sorted(object) {
	return Object.fromEntries(Object.entries(object).map(([k, v]) => [k, plain(v)]).sort(([a], [b]) => (a < b ? -1 : 1)));
}

// connect() makes an adapter whose methods are named and answer, by promise, as workload.py says;
// cas: was it stored?
async function run(connect) {
	const connections = JSON.parse(fs.readFileSync(workload, "utf8"));
	await Promise.all(connections.map(async (steps) => {
		const adapter = connect();
		for (const [number, [operation, key, argument, answer]] of steps.entries()) {
			const what = `step ${number}: ${operation} ${key}`;
			const got = await adapter[operation](key, argument);
			if (operation === "get_many") same(what, sorted(got), sorted(answer));
			else if (operation === "cas") same(what, got, answer === "stored");
			else same(what, got, answer);
		}
		adapter.end();
	}));
	console.log(`${connections.flat().length} operations on ${connections.length} connections at once`);
}

async function gone(what, get) {
	const end = Date.now() + PATIENCE * 1000;
	while (plain(await get()) !== null) {
		if (Date.now() > end) throw new Error(`${what} is still there`);
		await new Promise((resolve) => setTimeout(resolve, 20));
	}
}

// What an uncaught failure would not do for pending promises: end, and say so.
function main(story) {
	story().then(() => {
		console.log("all as expected");
		process.exit(0);
	}, (e) => {
		console.error(e);
		process.exit(1);
	});
}

module.exports = { host, port, same, run, gone, main, plain, PATIENCE };
