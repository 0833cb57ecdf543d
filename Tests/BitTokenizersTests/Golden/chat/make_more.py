"""Writes more.json: small templates with what Jinja2 prints for them, set up as Hugging Face's
transformers do: `python3 make_more.py`, with more.txt (a template on each line, as a JSON string)
and snippets.json beside it."""

import datetime
import json
from pathlib import Path

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

FOLDER = Path(__file__).resolve().parent
NOW = datetime.datetime(2026, 11, 25, 14, 5, 9)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators,
                      sort_keys=sort_keys)


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def render(environment, template, context):
    try:
        return {"text": environment.from_string(template).render(**context)}
    except Exception as error:
        kind = type(error).__name__
        is_own = type(error) is jinja2.exceptions.TemplateError
        return {"error": "raise_exception" if is_own else kind, "message": str(error)}


if __name__ == "__main__":
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols])
    environment.filters["tojson"] = tojson
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = NOW.strftime
    context = json.loads((FOLDER / "snippets.json").read_text())["context"] | {
        "deep": {"a": {"b": {"c": [1, {"x": "y"}]}}, "0": "zero"}, "u": "Gr\u00fc\u00dfe \U0001f999 \u00c0\u00c9",
        "nums": [1, 2.5, -3, 0, 1e16, 1e-5, 123456789012345680.0]}
    templates = [json.loads(line) for line in (FOLDER / "more.txt").read_text().splitlines()]
    cases = [{"template": template} | render(environment, template, context)
             for template in templates]
    text = json.dumps({"jinja2": jinja2.__version__, "context": context, "cases": cases},
                      indent=0, ensure_ascii=False)
    (FOLDER / "more.json").write_text(text + "\n")
