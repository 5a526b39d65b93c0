#!/usr/bin/env python3
"""Takes the parts of Pinecone's REST API that the tests use out of its own Node client, into tests/fixtures/pinecone/.

    cd "$(mktemp -d)" && npm pack @pinecone-database/pinecone@8.2.0 && tar xzf *.tgz
    REPOSITORY/scripts/trim-pinecone.py package

The client's models and operations are generated from Pinecone's OpenAPI, and name its version; what is read here is their
types, paths, methods and parameters. The package is under the Apache License 2.0.
"""

import json
import pathlib
import re
import sys

OPERATIONS = {
    "db_control": ["describeIndex"],
    "db_data": [
        "describeIndexStats",
        "queryVectors",
        "deleteVectors",
        "fetchVectors",
        "listVectors",
        "upsertVectors",
        "deleteNamespace",
    ],
}
# What any operation may answer in the place of what was asked for; the control plane has a form of its own.
REFUSALS = {"db_control": "ErrorResponse", "db_data": "RpcStatus"}
TARGET = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/pinecone/api.json"


def schema_of(text, names):
    """A TypeScript type as JSON Schema; `names` gathers the models that it refers to."""
    text = text.strip().rstrip(";").strip()
    if " | " in text:
        return {"anyOf": [schema_of(part, names) for part in text.split(" | ")]}
    if text.startswith("Array<"):
        return {"type": "array", "items": schema_of(text[6:-1], names)}
    if mapped := re.fullmatch(r"\{\s*\[key: string\]: (.+?);?\s*\}", text, re.DOTALL):
        return {"type": "object", "additionalProperties": schema_of(mapped[1], names)}
    if text in ("string", "number", "boolean", "object"):
        return {"type": text}
    if text in ("any", "void"):
        return {}
    names.add(text)
    return {"$ref": f"#/$defs/{text}"}


def fields(body):
    """Name, whether it may be left out, and type of each field of an interface."""
    depth, field = 0, ""
    for line in body.splitlines():
        depth += line.count("{") - line.count("}")
        field += line.strip() + " "
        if depth == 0 and field.strip():
            name, optional, kind = re.fullmatch(r"'?(\w+)'?(\??): (.+);", field.strip()).groups()
            yield name, bool(optional), kind
            field = ""


def without_comments(text):
    return re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)


def interface(text, name):
    return re.search(rf"export interface {name} \{{\n(.*?)\n\}}", text, re.DOTALL)


def model(folder, name, names):
    text = without_comments((folder / f"models/{name}.d.ts").read_text(encoding="utf-8"))
    if alias := re.search(rf"export type {name} = (.+?);\nexport ", text, re.DOTALL):
        # What tells alternatives apart stands in each of them too.
        return schema_of(re.sub(r"\{\s*\w+: '\w+';\s*\} & ", "", alias[1]), names)
    if not (found := interface(text, name)):
        return {"type": "string"}
    # The wire's names of fields: what `FromJSON` reads.
    reader = (folder / f"models/{name}.js").read_text(encoding="utf-8")
    wire = dict(re.findall(r"^\s+'(\w+)': .*?json\['(\w+)'\]", reader, re.MULTILINE))
    each = list(fields(found[1]))
    return {
        "type": "object",
        "properties": {wire[field]: schema_of(kind, names) for field, _, kind in each},
        "required": [wire[field] for field, optional, _ in each if not optional],
    }


def operation(folder, plane, name, names):
    for types in folder.glob("apis/*.d.ts"):
        text = without_comments(types.read_text(encoding="utf-8"))
        declared = re.search(rf" {name}\(requestParameters: (\w+), .*?\): Promise<(.+)>;", text)
        if declared:
            break
    code = types.with_name(types.name.replace(".d.ts", ".js")).read_text(encoding="utf-8")
    code = code[code.index(f"async {name}Raw(") :]
    path = re.search(r"path: `([^`]+)`", code)[1]
    asked = {field: (optional, kind) for field, optional, kind in fields(interface(text, declared[1])[1])}
    asked.pop("xPineconeApiVersion")
    body = re.search(r"body: .*?requestParameters\.(\w+)", code[: code.index("async ", 10)])
    wire = dict(re.findall(r"queryParameters\['(\w+)'\] = requestParameters\.(\w+)", code[: code.index("async ", 10)]))
    answer = {} if declared[2] == "object" else schema_of(declared[2], names)
    return {
        "operation": name,
        "method": re.search(r"method: '(\w+)'", code)[1],
        "path": path,
        "query": {key: schema_of(asked[field][1], names) for key, field in wire.items()},
        "required": [key for key, field in wire.items() if not asked[field][0]],
        "body": schema_of(asked[body[1]][1], names) if body else None,
        "answer": answer,
        "refusal": schema_of(REFUSALS[plane], names),
    }


def main():
    package = pathlib.Path(sys.argv[1])
    about = json.loads((package / "package.json").read_text(encoding="utf-8"))
    operations, schemas = [], {}
    for plane, wanted in OPERATIONS.items():
        folder = package / "dist/pinecone-generated-ts-fetch" / plane
        names = set()
        operations += [operation(folder, plane, name, names) for name in wanted]
        while missing := names - schemas.keys():
            for name in sorted(missing):
                schemas[name] = model(folder, name, names)
    version = re.search(r"'(\d{4}-\d\d)'", (folder / "api_version.js").read_text(encoding="utf-8"))[1]
    source = f"npm {about['name']} {about['version']}, under the {about['license']} licence; made by scripts/trim-pinecone.py"
    document = {"source": source, "version": version, "operations": operations, "$defs": dict(sorted(schemas.items()))}
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
