// node-memcached, text.  usage: node use_memcached.js HOST PORT WORKLOAD
"use strict";
const Memcached = require("memcached");
const { host, port, same, run, gone, main, plain, PATIENCE } = require("./replay.js");

function connect(poolSize) {
	const c = new Memcached(`${host}:${port}`, { poolSize, timeout: PATIENCE * 1000, retries: 0, failures: 0 });
	// ask("get", key): the answer by promise
	c.ask = (command, ...words) => new Promise((resolve, reject) => c[command](...words, (e, got) => (e ? reject(e) : resolve(got))));
	return c;
}

// "Item is not stored" is an answer, all other errors are failures.
function stored(answer) {
	return answer.then((got) => got === true, (e) => {
		if (/not stored/i.test(e.message)) return false;
		throw e;
	});
}

class Adapter {
	constructor() {
		this.c = connect(1);
		this.versions = {};
	}
	set(key, value) {
		return stored(this.c.ask("set", key, value, 0));
	}
	add(key, value) {
		return stored(this.c.ask("add", key, value, 0));
	}
	replace(key, value) {
		return stored(this.c.ask("replace", key, value, 0));
	}
	append(key, value) {
		return stored(this.c.ask("append", key, value));
	}
	prepend(key, value) {
		return stored(this.c.ask("prepend", key, value));
	}
	get(key) {
		return this.c.ask("get", key);
	}
	get_many(keys) {
		return this.c.ask("getMulti", keys);
	}
	async gets(key) {
		const got = await this.c.ask("gets", key);
		if (got === undefined) return null;
		this.versions[key] = got.cas;
		return got[key];
	}
	cas(key, value) {
		return this.c.ask("cas", key, value, this.versions[key], 0);
	}
	async incr(key, delta) {
		const got = await this.c.ask("incr", key, delta);
		return got === false ? null : got;
	}
	async decr(key, delta) {
		const got = await this.c.ask("decr", key, delta);
		return got === false ? null : got;
	}
	touch(key, seconds) {
		return this.c.ask("touch", key, seconds);
	}
	delete(key) {
		return this.c.ask("del", key);
	}
	end() {
		this.c.end();
	}
}

main(async () => {
	await run(() => new Adapter());

	const c = connect(4);
	const get = (key) => c.ask("get", key);
	const big = "0123456789abcde\n".repeat(56 * 1024);
	same("set of 900 KB", await c.ask("set", "big", big, 0), true);
	same("900 KB", (await get("big")) === big, true);
	const bytes = Buffer.from("\0\r\nEND\r\n\xff", "latin1");
	same("binary value", (await c.ask("set", "bytes", bytes, 0)) && plain(await get("bytes")), bytes);
	const thing = { list: [1, 2.5, null], text: "grüß" };
	same("object", (await c.ask("set", "thing", thing, 0)) && (await get("thing")), thing);
	same("number", (await c.ask("set", "number", -42, 0)) && (await get("number")), -42);
	// Many at once on four connections.
	const numbers = Array.from({ length: 500 }, (_, i) => i);
	same("500 sets at once", (await Promise.all(numbers.map((i) => c.ask("set", `m${i}`, i, 0)))).every((done) => done === true), true);
	same("500 gets at once", await Promise.all(numbers.map((i) => get(`m${i}`))), numbers);
	same("500 in one get", Object.keys(await c.ask("getMulti", numbers.map((i) => `m${i}`))).length, 500);
	same("set for 2 s", (await c.ask("set", "short", "s", 2)) && (await get("short")), "s");
	await gone("short", () => get("short"));
	same("touch for 2 s", (await c.ask("set", "touched", "t", 0)) && (await c.ask("touch", "touched", 2)) && (await get("touched")), "t");
	await gone("touched", () => get("touched"));
	// Its reading of a version is its last three numbers, and it dies if there are none.
	same("version", /^\d+\.\d+\.\d+$/.test((await c.ask("version"))[0].version), true);
	same("stats", (await c.ask("stats"))[0].cmd_set >= 500, true);
	same("flush", (await c.ask("flush")).every((done) => done === true), true);
	same("after flush", [await get("big"), await get("m3"), await get("thing")], [null, null, null]);
	same("set after flush", (await c.ask("set", "after", "a", 0)) && (await get("after")), "a");
	c.end();
});
