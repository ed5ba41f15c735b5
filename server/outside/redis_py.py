"""A pytest plugin: redis-py's own tests against portcask-server.

A case may end otherwise than well for two reasons only. It needs a command that is not offered: the server said so
during the case. Or it is listed in differences.txt with its reason. A listed case that passes is an error too, so that
the list tells what is true.
"""

import os
import pathlib

import pytest
from redis._parsers.base import BaseParser

HERE = pathlib.Path(__file__).parent
SUITE = "redis-py"


def listed():
    """The cases of this suite that may fail, with the reason."""
    found = {}
    for line in (HERE / "differences.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            suite, case, reason = (part.strip() for part in line.split("|"))
            if suite == SUITE:
                found[case] = reason
    return found


class Judge:
    def __init__(self):
        self.listed = listed()
        self.unknown = set()
        self.bad = {}
        self.missing = {}
        self.passed = set()
        self.skipped = set()

    def watch(self):
        """Notes each command that the server does not know."""
        parse_error = BaseParser.parse_error.__func__

        def noting(cls, response):
            for sign in ("unknown command '", "unknown subcommand '"):
                if sign in response:
                    self.unknown.add(response.split(sign)[1].split("'")[0].upper())
            return parse_error(cls, response)

        BaseParser.parse_error = classmethod(noting)

    @pytest.hookimpl
    def pytest_runtest_logstart(self, nodeid):
        self.unknown.clear()

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report):
        case = report.nodeid
        if report.skipped:
            self.skipped.add(case)
        elif report.failed:
            if self.unknown:
                self.missing[case] = sorted(self.unknown)
            else:
                self.bad[case] = str(report.longrepr).strip().splitlines()[-1]
        elif report.when == "call":
            self.passed.add(case)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session):
        for case in self.missing:
            self.bad.pop(case, None)
        passed = self.passed - set(self.bad) - set(self.missing)
        surprises = [
            f"SURPRISE {case}: {words}"
            for case, words in sorted(self.bad.items())
            if case not in self.listed
        ]
        surprises += [
            f"LISTED BUT FINE {case}"
            for case in sorted(self.listed)
            if case in passed or case in self.missing
        ]
        for line in surprises:
            print(f"\n{line}", end="")
        differ = sum(case in self.listed for case in self.bad)
        print(
            f"\n{SUITE}: {len(passed)} cases pass, {differ} differ as listed, {len(self.missing)} need"
            f" commands that are not offered, {len(self.skipped)} are skipped by the suite,"
            f" {len(surprises)} surprises"
        )
        if os.environ.get("PORTCASK_MISSING"):
            for case, names in sorted(self.missing.items()):
                print(f"missing {case}: {' '.join(names)}")
        session.exitstatus = 1 if surprises or len(passed) < 300 else 0


def pytest_configure(config):
    judge = Judge()
    judge.watch()
    config.pluginmanager.register(judge)
