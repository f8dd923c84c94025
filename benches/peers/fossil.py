"""Fossil as a peer: documents are files of a check-in. A check-in lists every file, so it is left out above 100,000."""
import os

from .common import ENV, call, copy, pairs, run


def name(key):
    return key.replace(":", "-")


class Peer:
    name = "fossil"

    def __init__(self, _program, folder, flat):
        self.folder, self.count = folder, 0
        self.store = os.path.join(folder, "a.fossil")
        self.env = dict(ENV, HOME=folder, FOSSIL_HOME=folder, USER="f")

    def fossil(self, *args, stdin=None, out=None, cwd=None):
        return run(["fossil", *args], stdin, out, timeout=900, env=self.env, cwd=cwd)

    def load(self, records, count):
        if count > 100000:
            raise TimeoutError("a check-in lists every file")
        stream = os.path.join(self.folder, "fossil-stream")
        with open(stream, "wb") as file:
            file.write(b"commit refs/heads/trunk\ncommitter f <f@x> 1700000000 +0000\ndata 1\nm\n")
            for key, value in pairs(records):
                body = value.encode()
                file.write(b"M 100644 inline %s\ndata %d\n%s\n" % (name(key).encode(), len(body), body))
        self.count += 1
        self.store = os.path.join(self.folder, f"{self.count}.fossil")
        result = self.fossil("import", "--git", "-A", "f", self.store, stream)
        os.unlink(stream)
        return result

    def get(self, key):
        return call(["fossil", "cat", "-R", self.store, name(key), "-r", "trunk"], env=self.env)

    def scan(self, out):
        return self.fossil("tarball", "-R", self.store, "trunk", out + ".tgz")

    def list(self, out):
        return self.fossil("ls", "-R", self.store, "-r", "trunk", out=out)[0]

    def gc(self):
        return self.fossil("rebuild", "--vacuum", "--compress", self.store)

    def fork(self, where):
        self.store = copy(self.store, os.path.join(self.folder, where + ".fossil"))
