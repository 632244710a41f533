#!/usr/bin/env python3
"""The same sale on preorder and on what shops are usually built from, side by side: see README.md.

Everything runs on this machine, in a temporary folder on one disk, on free ports; every process that is started here is
stopped here. Rounds are interleaved, figures are medians.
"""

import argparse, os, pwd, re, shutil, socket, statistics, subprocess, sys, tempfile, time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PACKAGES = "postgresql redis-server redis-tools wrk"
BUYERS, CONNECTIONS = 1000, 256


def fail(what, hint):
    sys.exit(f"error: {what}\nhint: {hint}")


def tool(name):
    found = shutil.which(name) or next(iter(sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), reverse=True)), None)
    return str(found) if found else fail(f"{name} is not installed.", f"On Debian: apt-get install {PACKAGES}")


def run(*command, **more):
    done = subprocess.run(command, text=True, capture_output=True, **more)
    if done.returncode:
        fail(f"{' '.join(map(str, command))} ended with {done.returncode}.", done.stderr.strip()[-800:])
    return done.stdout


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def rate(pattern, text):
    found = re.search(pattern, text)
    return float(found.group(1)) if found else fail("a tool's output has no rate in it.", text[-800:])


class Peers:
    """What is running, and how to ask each for its rate."""

    def __init__(self, folder, seconds):
        self.folder, self.seconds, self.processes, self.runs = folder, seconds, [], 0
        self.postgres_as = {"user": "postgres"} if os.geteuid() == 0 else {}

    def start(self, *command, **more):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)
        self.processes.append(process)
        return process

    def until(self, ready):
        for _ in range(200):
            if ready():
                return
            time.sleep(0.05)
        fail("a server did not start.", "Run it by hand to see why.")

    def stop(self):
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.wait()

    # PostgreSQL -------------------------------------------------------------------------------------------------------
    def postgres(self):
        data, self.pg_port = self.folder / "postgres", free_port()
        data.mkdir()
        if self.postgres_as:
            shutil.chown(data, "postgres")
            self.postgres_as |= {"group": pwd.getpwnam("postgres").pw_gid, "extra_groups": []}
        run(tool("initdb"), "-D", data, "-A", "trust", "-U", "postgres", **self.postgres_as)
        self.start(tool("postgres"), "-D", data, "-p", str(self.pg_port), "-c", "listen_addresses=127.0.0.1",
                   "-c", f"unix_socket_directories={data}", "-c", "max_connections=300", "-c", "shared_buffers=512MB",
                   "-c", "max_wal_size=4GB", **self.postgres_as)
        self.pg = ["-h", "127.0.0.1", "-p", str(self.pg_port), "-U", "postgres"]
        self.until(lambda: subprocess.run([tool("pg_isready"), *self.pg], capture_output=True).returncode == 0)
        run(tool("psql"), *self.pg, "-q", "-f", HERE / "pg_schema.sql")

    def pgbench(self, script, clients):
        out = run(tool("pgbench"), *self.pg, "-n", "-M", "prepared", "-f", HERE / script, "-c", str(clients), "-j", "2",
                  "-T", str(self.seconds), "postgres")
        return rate(r"tps = ([\d.]+) \(without", out)

    # Redis ------------------------------------------------------------------------------------------------------------
    def redis(self, name, *settings):
        port, folder = free_port(), self.folder / name
        folder.mkdir()
        self.start(tool("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "",
                   "--appendonly", "yes", *settings)
        cli = [tool("redis-cli"), "-p", str(port)]
        self.until(lambda: subprocess.run([*cli, "ping"], capture_output=True, text=True).stdout.startswith("PONG"))
        run(*cli, "set", "stock", "1000000000")
        return port

    def redis_lua(self, port, count):
        script = ("local left = redis.call('DECR', 'stock') if left < 0 then redis.call('INCR', 'stock') return 0 end "
                  "redis.call('LPUSH', 'orders', ARGV[1]) return 1")
        out = run(tool("redis-benchmark"), "-p", str(port), "-c", str(CONNECTIONS), "-n", str(count), "-r", "1000000",
                  "--csv", "eval", script, "0", "__rand_int__")
        return float(out.strip().splitlines()[-1].rsplit('","', 7)[1].strip('"'))

    # preorder ---------------------------------------------------------------------------------------------------------
    def preorder(self):
        binary, self.port = ROOT / "target/release/preorder", free_port()
        self.raw = self.folder / "raw"
        self.raw.mkdir()
        shop = [binary, "--db", f"sqlite:{self.folder}/sale.db"]
        run(*shop, "seed", "--users", str(BUYERS))
        for product, stock in [("hot", 500_000_000), ("gone", 0)]:
            run(*shop, "product", "add", "--id", product, "--name", product, "--type", "reservation", "--price", "1000",
                "--stock", str(stock), "--per-buyer-limit", "100000000")
        self.tokens = self.folder / "tokens"
        self.tokens.write_text("\n".join(run(*shop, "user", "token", "--all").splitlines()[-BUYERS:]) + "\n")
        environment = os.environ | {f"PREORDER_{name}": "0" for name in (
            "LIMITS_ADDRESS_PER_SECOND", "LIMITS_ACCOUNT_PER_SECOND", "PAYMENT_SIMULATED_ABANDON_RATE",
            "PAYMENT_SIMULATED_DECLINE_RATE")}
        self.start(*shop, "serve", "--listen", f"127.0.0.1:{self.port}", env=environment)
        self.until(lambda: socket.socket().connect_ex(("127.0.0.1", self.port)) == 0)

    def wrk(self, product, status):
        self.runs += 1
        out = run(tool("wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{self.seconds}", "-s", HERE / "sale.lua",
                  f"http://127.0.0.1:{self.port}",
                  env=os.environ | {"TOKENS": str(self.tokens), "PRODUCT": product, "RUN": str(self.runs)})
        bad = int(next(iter(re.findall(r"Non-2xx or 3xx responses: (\d+)", out)), 0))
        total = int(re.search(r"(\d+) requests in", out).group(1))
        if (bad > 0) != (status == 409) or (status == 409 and bad < total):
            fail(f"{bad} of {total} answers were not the expected {status}.", out)
        return rate(r"Requests/sec:\s+([\d.]+)", out)

    def sqlite(self):
        out = run("cargo", "bench", "-q", "--bench", "raw_writer", "--", str(self.raw), str(self.seconds), cwd=ROOT)
        return rate(r"([\d.]+) purchases/s", out)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4)
    arguments = parser.parse_args()
    for name in ("initdb", "pgbench", "redis-server", "redis-benchmark", "wrk", "cargo"):
        tool(name)
    run("cargo", "build", "--release", "--locked", cwd=ROOT)
    run("cargo", "bench", "--no-run", "--bench", "raw_writer", cwd=ROOT)
    with tempfile.TemporaryDirectory(prefix="preorder-peers-") as folder:
        os.chmod(folder, 0o755)
        peers = Peers(Path(folder), arguments.seconds)
        try:
            peers.postgres()
            always = peers.redis("redis-always", "--appendfsync", "always")
            second = peers.redis("redis-everysec", "--appendfsync", "everysec")
            peers.preorder()
            measured = {
                "preorder, one-call purchase, durable": lambda: peers.wrk("hot", 201),
                "PostgreSQL hot row, one statement, 16 clients": lambda: peers.pgbench("pg_one.sql", 16),
                "PostgreSQL hot row, one statement, 256 clients": lambda: peers.pgbench("pg_one.sql", CONNECTIONS),
                "PostgreSQL hot row, four statements, 16 clients": lambda: peers.pgbench("pg_four.sql", 16),
                "PostgreSQL hot row, four statements, 256 clients": lambda: peers.pgbench("pg_four.sql", CONNECTIONS),
                "Redis Lua, appendfsync always": lambda: peers.redis_lua(always, 40_000 * arguments.seconds),
                "Redis Lua, appendfsync everysec (not durable)": lambda: peers.redis_lua(second, 40_000 * arguments.seconds),
                "SQLite by hand, batches of 64": peers.sqlite,
            }
            rates = {name: [] for name in measured}
            for number in range(1, arguments.rounds + 1):
                for name, measure in measured.items():
                    rates[name].append(measure())
                    print(f"round {number}: {name}: {rates[name][-1]:.0f}/s", file=sys.stderr, flush=True)
        finally:
            peers.stop()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ours = medians["preorder, one-call purchase, durable"]
    print("| sale | purchases/s, median | lowest to highest | preorder ÷ it |\n| --- | --- | --- | --- |")
    for name, median in medians.items():
        print(f"| {name} | {median:,.0f} | {min(rates[name]):,.0f} to {max(rates[name]):,.0f} | {ours / median:.2f} |")


if __name__ == "__main__":
    main()
