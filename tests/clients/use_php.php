<?php
/* php-memcached, and with it libmemcached.  usage: php use_php.php HOST PORT WORKLOAD text|binary */
const PATIENCE = 20;
[, $host, $port, $workload, $protocol] = $argv;

function connect(array $options = []): Memcached
{
    global $host, $port, $protocol;
    $m = new Memcached();
    same("options", $m->setOptions($options + [
        Memcached::OPT_BINARY_PROTOCOL => $protocol === "binary",
        Memcached::OPT_COMPRESSION => false,
        Memcached::OPT_TCP_NODELAY => true,
        Memcached::OPT_CONNECT_TIMEOUT => PATIENCE * 1000,
        Memcached::OPT_POLL_TIMEOUT => PATIENCE * 1000,
    ]), true);
    $m->addServer($host, (int)$port);
    return $m;
}

function same(string $what, $got, $expected): void
{
    if ($got === $expected) {
        return;
    }
    fwrite(STDERR, "$what: got " . substr(var_export($got, true), 0, 200) . ", expected " . substr(var_export($expected, true), 0, 200) . "\n");
    exit(1);
}

function gone(string $what, Memcached $m): void
{
    $end = microtime(true) + PATIENCE;
    while ($m->get($what) !== false) {
        same("$what is gone", microtime(true) < $end, true);
        usleep(20000);
    }
    same("$what", $m->getResultCode(), Memcached::RES_NOTFOUND);
}

/* One connection, asked as workload.py says. */
class Adapter
{
    private $m;
    private $versions = [];

    public function __construct()
    {
        $this->m = connect();
    }

    /* A miss, told from a failure and from a false. */
    private function hit($value)
    {
        $code = $this->m->getResultCode();
        if ($code === Memcached::RES_NOTFOUND) {
            return null;
        }
        return $code === Memcached::RES_SUCCESS ? $value : "failed: " . $this->m->getResultMessage();
    }

    /* yes or no, told from a failure */
    private function did(bool $yes)
    {
        $said = [Memcached::RES_SUCCESS, Memcached::RES_NOTSTORED, Memcached::RES_NOTFOUND, Memcached::RES_DATA_EXISTS];
        return in_array($this->m->getResultCode(), $said, true) ? $yes : "failed: " . $this->m->getResultMessage();
    }

    public function play(string $operation, $key, $argument)
    {
        switch ($operation) {
        case "get_many":
            return $this->m->getMulti($key);
        case "get":
            return $this->hit($this->m->get($key));
        case "gets":
            $got = $this->m->get($key, null, Memcached::GET_EXTENDED);
            if ($this->m->getResultCode() === Memcached::RES_SUCCESS) {
                $this->versions[$key] = $got["cas"];
            }
            return $this->hit($got["value"] ?? null);
        case "cas":
            $this->m->cas($this->versions[$key], $key, $argument);
            $codes = [Memcached::RES_SUCCESS => "stored", Memcached::RES_DATA_EXISTS => "exists", Memcached::RES_NOTFOUND => "missing"];
            return $codes[$this->m->getResultCode()] ?? "failed: " . $this->m->getResultMessage();
        case "incr":
            return $this->hit($this->m->increment($key, $argument));
        case "decr":
            return $this->hit($this->m->decrement($key, $argument));
        case "delete":
            return $this->did($this->m->delete($key));
        default:
            return $this->did($this->m->$operation($key, $argument));
        }
    }
}

/* All connections are open at once, and take turns. */
$connections = json_decode(file_get_contents($workload), true);
$adapters = array_map(fn($steps) => new Adapter(), $connections);
$played = 0;
for ($number = 0; $number < max(array_map("count", $connections)); $number++) {
    foreach ($connections as $which => $steps) {
        [$operation, $key, $argument, $answer] = $steps[$number];
        $got = $adapters[$which]->play($operation, $key, $argument);
        if ($operation === "get_many") {
            ksort($got);
            ksort($answer);
        }
        same("step $number: $operation " . json_encode($key), $got, $answer);
        $played++;
    }
}
echo "$played operations on ", count($connections), " connections in turn\n";

$m = connect();
$big = str_repeat(implode("", array_map("chr", range(0, 255))), 3600);
same("set of 900 KB", $m->set("big", $big), true);
same("900 KB", $m->get("big") === $big, true);
same("binary value", $m->set("bytes", "\0\r\nEND\r\n\xff") ? $m->get("bytes") : null, "\0\r\nEND\r\n\xff");
$many = [];
for ($i = 0; $i < 500; $i++) {
    $many["m$i"] = $i;
}
same("setMulti", $m->setMulti($many), true);
same("getMulti", $m->getMulti([...array_keys($many), "none"], Memcached::GET_PRESERVE_ORDER), $many + ["none" => null]);
same("getDelayed", $m->getDelayed(["m1", "m2"], true) ? count($m->fetchAll()) : null, 2);
same("deleteMulti", $m->deleteMulti(["m1", "m2"]), ["m1" => true, "m2" => true]);
same("after deleteMulti", $m->getMulti(["m1", "m2", "m3"]), ["m3" => 3]);
foreach (["int" => -42, "float" => 2.5, "true" => true, "false" => false, "text" => "grüß", "list" => [1, [2, null]]] as $name => $value) {
    same("set of $name", $m->set($name, $value), true);
    same($name, $m->get($name), $value);
}
same("object", $m->set("object", new ArrayObject([1, 2])) ? $m->get("object")->getArrayCopy() : null, [1, 2]);
$squeezed = connect([Memcached::OPT_COMPRESSION => true]);
same("compressed", $squeezed->set("long", str_repeat("z", 100000)) && $squeezed->get("long") === str_repeat("z", 100000), true);
$flagged = connect([Memcached::OPT_USER_FLAGS => 0xABC]);
$flagged->set("flagged", "f");
same("flags", $flagged->get("flagged", null, Memcached::GET_EXTENDED)["flags"], 0xABC);
if ($protocol === "binary") {
    same("increment with an initial value", [$m->increment("count", 5, 10, 100), $m->increment("count", 5, 10, 100)], [10, 15]);
}
/* Requests without answers, and the next answer is the right one. */
$quiet = connect([Memcached::OPT_NOREPLY => true]);
for ($i = 0; $i < 200; $i++) {
    $quiet->set("quiet", $i);
    $quiet->add("quiet", "no");
}
same("after quiet sets", $quiet->get("quiet"), 199);
$buffered = connect([Memcached::OPT_BUFFER_WRITES => true]);
for ($i = 0; $i < 100; $i++) {
    $buffered->set("b$i", $i);
}
same("buffered", count($buffered->getMulti(array_map(fn($i) => "b$i", range(0, 99)))), 100);
same("set for 2 s", $m->set("short", "s", 2) ? $m->get("short") : null, "s");
gone("short", $m);
same("touch for 2 s", $m->set("touched", "t") && $m->touch("touched", 2) ? $m->get("touched") : null, "t");
gone("touched", $m);
same("version", strncmp(array_values($m->getVersion())[0], "1.", 2), 0);
same("stats", array_values($m->getStats())[0]["cmd_set"] >= 500, true);
same("flush", $m->flush(), true);
same("after flush", $m->getMulti(["big", "m3", "object"]), []);
same("set after flush", $m->set("after", "a") ? $m->get("after") : null, "a");
$m->quit();
echo "all as expected\n";
