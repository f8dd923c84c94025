"""isodb as a peer of the comparison."""
import os

from .common import call, copy, run


class Peer:
    name = "isodb"

    def __init__(self, program, folder, flat):
        self.program, self.folder = program, folder
        self.store = os.path.join(folder, "a.isodb")

    def argv(self, *args):
        return [self.program, "--db", self.store, *args]

    def load(self, records, _count):
        """A new store with these records; answers seconds and MB."""
        copies = len([name for name in os.listdir(self.folder) if name.endswith(".isodb")])
        self.store = os.path.join(self.folder, f"{copies}.isodb")
        call([self.program, "init", self.store])
        call(self.argv("config", "gc.auto", "0"))
        return run(self.argv("import", records))

    def put(self, key, value, _n):
        call(self.argv("put", key), value.encode())

    def get(self, key):
        return call(self.argv("get", key))

    def batch(self, keys, out):
        return run(self.argv("get", "--batch"), keys, out)[0]

    def scan(self, out):
        return run(self.argv("export"), None, out)

    def list(self, out):
        return run(self.argv("ls", "-r"), None, out)[0]

    def prefix(self, prefix, out):
        return run(self.argv("export", prefix.rstrip("/")), None, out)[0]

    def change(self, lines):
        """One commit of these records."""
        run(self.argv("apply"), lines)

    def diff(self, out):
        return run(self.argv("diff", "HEAD~1", "HEAD"), None, out)[0]

    def commits(self, lines, durable):
        """A commit of each record, in one process."""
        how = ["--sync-every", "100"] if durable else ["--no-sync"]
        return run(self.argv("apply", "--each", *how), lines)[0]

    def gc(self):
        return run(self.argv("gc", "--prune=now"))

    def fork(self, name):
        """A copy of the store, to be used from now on."""
        self.store = copy(self.store, os.path.join(self.folder, name + ".isodb"))

    def count_writers(self):
        return int(call(self.argv("ls", "-r", "--count", "writers")))

    def put_until_done(self, key, value, n):
        self.put(key, value, n)
        return 1
