"""SQLite as a peer: one table, WAL, synchronous=FULL, no history: a lower bound. Bulk work is this file run by itself."""
import os
import sqlite3
import sys

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from peers.common import call, copy, pairs, run

TABLE = "CREATE TABLE docs(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID"
PUT = "INSERT OR REPLACE INTO docs VALUES(?,?)"
JSON = """SELECT '{"key":"'||key||'","value":'||value||'}' FROM docs """


def connect(path):
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    return db


class Peer:
    name = "sqlite"

    def __init__(self, _program, folder, flat):
        self.folder, self.count = folder, 0
        self.store = os.path.join(folder, "a.db")

    def bulk(self, operation, *args, out=None):
        return run([sys.executable, os.path.abspath(__file__), operation, self.store, *args], None, out)

    def cli(self, statement):
        return ["sqlite3", "-cmd", ".timeout 60000", "-cmd", "PRAGMA synchronous=FULL", self.store, statement]

    def load(self, records, _count):
        self.count += 1
        self.store = os.path.join(self.folder, f"{self.count}.db")
        return self.bulk("import", records)

    def put(self, key, value, _n):
        call(self.cli("INSERT OR REPLACE INTO docs VALUES('%s','%s')" % (key, value)))

    def put_until_done(self, key, value, n):
        self.put(key, value, n)
        return 1

    def get(self, key):
        return call(["sqlite3", self.store, "SELECT value FROM docs WHERE key='%s'" % key])

    def batch(self, keys, out):
        return self.bulk("get", keys, out=out)[0]

    def scan(self, out):
        return run(["sqlite3", self.store, JSON], None, out)

    def list(self, out):
        return run(["sqlite3", self.store, "SELECT key FROM docs"], None, out)[0]

    def prefix(self, prefix, out):
        end = prefix[:-1] + chr(ord(prefix[-1]) + 1)
        return run(["sqlite3", self.store, JSON + f"WHERE key>='{prefix}' AND key<'{end}'"], None, out)[0]

    def change(self, lines):
        self.other = self.store
        self.fork("changed")
        self.bulk("import", lines)

    def diff(self, out):
        """There is no history: the whole table is compared with a copy."""
        both = f"ATTACH '{self.other}' AS b; SELECT a.key FROM docs a LEFT JOIN b.docs o ON o.key=a.key WHERE o.value IS NOT a.value"
        return run(["sqlite3", self.store, both], None, out)[0]

    def commits(self, lines, durable):
        return self.bulk("commits", lines, "100" if durable else "0")[0]

    def gc(self):
        return run(["sqlite3", self.store, "VACUUM"])

    def fork(self, name):
        call(["sqlite3", self.store, "PRAGMA wal_checkpoint(TRUNCATE)"])
        self.store = copy(self.store, os.path.join(self.folder, name + ".db"))

    def count_writers(self):
        return int(call(["sqlite3", self.store, "SELECT count(*) FROM docs WHERE key LIKE 'writers/%'"]))


def main(operation, path, source, *rest):
    db = connect(path)
    if operation == "import":
        db.execute(TABLE.replace("TABLE", "TABLE IF NOT EXISTS"))
        db.execute("BEGIN")
        db.executemany(PUT, pairs(source))
        db.execute("COMMIT")
    elif operation == "get":
        with open(source) as keys:
            for key in keys:
                sys.stdout.write(db.execute("SELECT value FROM docs WHERE key=?", (key.rstrip("\n"),)).fetchone()[0] + "\n")
    elif operation == "commits":
        every = int(rest[0])
        if not every:
            db.execute("PRAGMA synchronous=OFF")
        for n, pair in enumerate(pairs(source)):
            if every and n % every == 0:
                db.execute("BEGIN")
            db.execute(PUT, pair)
            if every and n % every == every - 1:
                db.execute("COMMIT")
    db.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
