// memjs, binary.  usage: node use_memjs.js HOST PORT WORKLOAD
"use strict";
const memjs = require("memjs");
const { host, port, same, run, gone, main, plain, PATIENCE } = require("./replay.js");

// Its failures are errors that name the status: these are answers, all others are failures.
function refused(...names) {
	return (e) => {
		if (names.some((name) => e.message.toLowerCase().includes(name))) return false;
		throw e;
	};
}

const QUIET = { log() {} };

function connect() {
	return memjs.Client.create(`${host}:${port}`, { timeout: PATIENCE, conntimeout: PATIENCE, retries: 0, keepAlive: true, logger: QUIET });
}

class Adapter {
	constructor() {
		this.c = connect();
	}
	set(key, value) {
		return this.c.set(key, value, {});
	}
	add(key, value) {
		return this.c.add(key, value, {});
	}
	replace(key, value) {
		return this.c.replace(key, value, {});
	}
	append(key, value) {
		return this.c.append(key, value).catch(refused("not stored"));
	}
	async get(key) {
		return (await this.c.get(key)).value;
	}
	async incr(key, delta) {
		return (await this.c.increment(key, delta, {})).value;
	}
	async decr(key, delta) {
		return (await this.c.decrement(key, delta, {})).value;
	}
	touch(key, seconds) {
		return this.c.touch(key, seconds).catch(refused("not found"));
	}
	delete(key) {
		return this.c.delete(key);
	}
	end() {
		this.c.close();
	}
}

main(async () => {
	await run(() => new Adapter());

	const c = connect();
	const get = async (key) => plain((await c.get(key)).value);
	const big = Buffer.alloc(900 * 1024, Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
	same("set of 900 KB", await c.set("big", big, {}), true);
	same("900 KB", big.equals((await c.get("big")).value), true);
	const bytes = Buffer.from("\0\r\nEND\r\n\xff", "latin1");
	same("binary value", (await c.set("bytes", bytes, {})) && (await get("bytes")), bytes);
	const thing = { list: [1, 2.5, null], text: "grüß" };
	await c.set("thing", JSON.stringify(thing), {});
	same("JSON", JSON.parse((await c.get("thing")).value), thing);
	// Many on one connection, none waiting for the one before.
	const numbers = Array.from({ length: 500 }, (_, i) => i);
	same("500 sets at once", (await Promise.all(numbers.map((i) => c.set(`m${i}`, `${i}`, {})))).every((stored) => stored === true), true);
	same("500 gets at once", await Promise.all(numbers.map((i) => get(`m${i}`))), numbers.map(String));
	same("increment with an initial value", [(await c.increment("count", 5, { initial: 10, expires: 100 })).value,
		(await c.increment("count", 5, {})).value], [10, 15]);
	same("set for 2 s", (await c.set("short", "s", { expires: 2 })) && (await get("short")), "s");
	await gone("short", () => get("short"));
	same("touch for 2 s", (await c.set("touched", "t", {})) && (await c.touch("touched", 2)) && (await get("touched")), "t");
	await gone("touched", () => get("touched"));
	const stats = await new Promise((resolve, reject) => c.stats((e, server, found) => (e ? reject(e) : resolve(found))));
	same("stats", Number(stats.cmd_set) >= 500, true);
	await new Promise((resolve, reject) => c.flush((e, results) => (e ? reject(e) : resolve(results))));
	same("after flush", [await get("big"), await get("m3"), await get("thing")], [null, null, null]);
	same("set after flush", (await c.set("after", "a", {})) && (await get("after")), "a");
	c.quit();
});
