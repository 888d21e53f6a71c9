"""`manage.py doctor`: what is wrong, and how to fix it."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections import Counter
from dataclasses import asdict

from django.core.management.base import BaseCommand

from localai_site.doctor.examination import examine
from localai_site.doctor.finding import Finding, Level


class Command(BaseCommand):
    help = "Check this installation, one line each: ok, warning, or problem, with what to do. Exit status 1: a problem."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="where the site listens (8000)")
        parser.add_argument("--json", action="store_true", help="a JSON list, for programs")

    def handle(self, *args: object, **options: object) -> None:
        findings = []
        for finding in examine(int(str(options["port"]))):
            findings.append(finding)
            if not options["json"]:
                self._tell(finding)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings], indent=1, ensure_ascii=False))
        else:
            self._sum_up(findings)
        sys.exit(any(finding.level is Level.PROBLEM for finding in findings))

    def _tell(self, finding: Finding) -> None:
        styles = {Level.WARNING: self.style.WARNING, Level.PROBLEM: self.style.ERROR}
        self.stdout.write(str(finding), styles.get(finding.level))

    def _sum_up(self, findings: list[Finding]) -> None:
        count = Counter(finding.level for finding in findings)
        self.stdout.write(f"Problems: {count[Level.PROBLEM]}, warnings: {count[Level.WARNING]}, ok: {count[Level.OK]}.")
