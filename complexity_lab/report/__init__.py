"""One HTML file per survey that needs nothing else: findings, figures, every model, failures and provenance."""

from complexity_lab.report.headline import headline, qualifications
from complexity_lab.report.page import Page, build_page, render_page, write_report

__all__ = ["Page", "build_page", "headline", "qualifications", "render_page", "write_report"]
