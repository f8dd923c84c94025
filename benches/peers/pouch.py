"""PouchDB over leveldb as a peer, where node finds the module `pouchdb` (NODE_PATH). It does not flush what it puts."""
import json
import os

from .common import call, copy, run

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pouch.js")


class Peer:
    name = "pouchdb"

    def __init__(self, _program, folder, flat):
        self.folder, self.count = folder, 0
        self.store = os.path.join(folder, "a.pouch")
        self.line = os.path.join(folder, "pouch-line")

    def node(self, operation, *args, out=None):
        return run(["node", "--max-old-space-size=8000", PROGRAM, operation, self.store, *args], None, out)

    def load(self, records, _count):
        self.count += 1
        self.store = os.path.join(self.folder, f"{self.count}.pouch")
        return self.node("import", records)

    def put(self, key, value, _n):
        with open(self.line, "w") as file:
            file.write('{"key":"%s","value":%s}\n' % (key, value))
        self.node("put", self.line)

    def get(self, key):
        with open(self.line, "w") as file:
            file.write(key + "\n")
        self.node("get", self.line)

    def batch(self, keys, out):
        return self.node("get", keys, out=out)[0]

    def scan(self, out):
        return self.node("scan", out=out)

    def prefix(self, prefix, out):
        return self.node("scan", prefix, out=out)[0]

    def change(self, lines):
        found = call(["node", PROGRAM, "seq", self.store])
        self.since = str(json.loads(found))
        self.node("put", lines)

    def diff(self, out):
        return self.node("diff", self.since, out=out)[0]

    def commits(self, lines, durable):
        if durable:
            raise NotImplementedError
        return self.node("put", lines)[0]

    def gc(self):
        return self.node("compact")

    def fork(self, name):
        self.store = copy(self.store, os.path.join(self.folder, name + ".pouch"))
