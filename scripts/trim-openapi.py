#!/usr/bin/env python3
"""Cuts GitHub's OpenAPI and its example webhooks down to what the tests use, into tests/fixtures/github/.

    cd "$(mktemp -d)"
    npm pack @octokit/openapi@23.0.2 @octokit/webhooks-examples@7.6.1
    for archive in *.tgz; do mkdir "${archive%.tgz}" && tar xzf "$archive" -C "${archive%.tgz}"; done
    REPOSITORY/scripts/trim-openapi.py octokit-openapi-*/package octokit-webhooks-examples-*/package

Kept: the operations below with all that they refer to, the examples that the fake answers with, one event per kind.
Dropped: descriptions, links and all other examples. Both packages are under the MIT licence.
"""

import json
import pathlib
import sys

OPERATIONS = {
    "/repos/{owner}/{repo}": ["get"],
    "/repos/{owner}/{repo}/dispatches": ["post"],
    "/repos/{owner}/{repo}/actions/runs": ["get"],
    "/repos/{owner}/{repo}/actions/runs/{run_id}": ["get"],
    "/repos/{owner}/{repo}/actions/workflows": ["get"],
    "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches": ["post"],
    "/repos/{owner}/{repo}/branches/{branch}": ["get"],
    "/repos/{owner}/{repo}/contents/{path}": ["get"],
    "/repos/{owner}/{repo}/statuses/{sha}": ["post"],
    "/repos/{owner}/{repo}/deployments": ["post"],
    "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses": ["post"],
    "/repos/{owner}/{repo}/installation": ["get"],
    "/app/installations/{installation_id}/access_tokens": ["post"],
    "/repos/{owner}/{repo}/check-runs": ["post"],
    "/repos/{owner}/{repo}/check-runs/{check_run_id}": ["patch"],
    "/repos/{owner}/{repo}/issues/{issue_number}/comments": ["get", "post"],
    "/repos/{owner}/{repo}/issues/comments/{comment_id}": ["patch"],
    "/user": ["get"],
    "/repos/{owner}/{repo}/commits/{ref}": ["get"],
    "/repos/{owner}/{repo}/git/trees/{tree_sha}": ["get"],
    "/repos/{owner}/{repo}/git/blobs/{file_sha}": ["get"],
    "/repos/{owner}/{repo}/tarball/{ref}": ["get"],
    "/orgs/{org}/repos": ["get"],
    "/users/{username}/repos": ["get"],
    "/repos/{owner}/{repo}/releases": ["get"],
    "/repos/{owner}/{repo}/releases/tags/{tag}": ["get"],
    "/repos/{owner}/{repo}/releases/{release_id}/assets": ["get", "post"],
    "/repos/{owner}/{repo}/releases/assets/{asset_id}": ["get", "patch", "delete"],
    "/rate_limit": ["get"],
}
EXAMPLES = [
    "full-repository-default-response",
    "minimal-repository-items",
    "workflow-run",
    "workflow-run-paginated",
    "workflow-paginated",
    "workflow-dispatch-response",
    "branch-get",
    "content-file-response-if-content-is-a-file",
    "content-file-response-if-content-is-a-directory",
    "status",
    "deployment",
    "deployment-status",
    "installation",
    "installation-token",
    "rate-limit-overview",
    "check-run-example-of-completed-conclusion",
    "issue-comment",
    "release",
    "release-asset",
    "private-user-response-with-public-profile-information",
]
# What GitHub answers anywhere without the operation declaring it: 401, 403, 429, 5xx.
EXTRA_SCHEMAS = ["basic-error"]
DROPPED = {"description", "summary", "externalDocs", "tags", "x-github", "x-octokit", "example", "examples", "title"}
# One event of each kind: the name of its file, the webhook, and what tells it from the others of its kind.
EVENTS = {
    "push-branch": ("push", lambda e: e["ref"] == "refs/heads/" + e["repository"]["default_branch"]),
    "push-tag": ("push", lambda e: e["ref"].startswith("refs/tags/")),
    "pull_request-opened": ("pull_request", lambda e: e["action"] == "opened"),
    "pull_request-synchronize": ("pull_request", lambda e: e["action"] == "synchronize"),
    "release-published": ("release", lambda e: e["action"] == "published"),
    "repository_dispatch": ("repository_dispatch", lambda e: True),
    "workflow_dispatch": ("workflow_dispatch", lambda e: True),
    "merge_group": ("merge_group", lambda e: True),
}
TARGET = pathlib.Path(__file__).resolve().parent.parent / "tests/fixtures/github"


def stripped(node, is_map_of_names=False):
    """The same without what only people read. The keys of `properties` and its like are names, not keywords."""
    if isinstance(node, list):
        return [stripped(item) for item in node]
    if not isinstance(node, dict):
        return node
    names = {"properties", "patternProperties", "schemas", "parameters", "responses", "headers", "paths"}
    kept = node if is_map_of_names else {key: value for key, value in node.items() if key not in DROPPED}
    return {key: stripped(value, not is_map_of_names and key in names) for key, value in kept.items()}


def references(node):
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)


def trimmed(openapi):
    components = {}
    paths = {
        path: {method: stripped(openapi["paths"][path][method]) for method in methods}
        for path, methods in OPERATIONS.items()
    }
    wanted = list(references(paths)) + [f"#/components/schemas/{name}" for name in EXTRA_SCHEMAS]
    while wanted:
        _, _, kind, name = wanted.pop().split("/")
        if kind == "examples" or name in components.get(kind, {}):
            continue
        part = stripped(openapi["components"][kind][name])
        components.setdefault(kind, {})[name] = part
        wanted.extend(references(part))
    components["examples"] = {name: {"value": openapi["components"]["examples"][name]["value"]} for name in EXAMPLES}
    return {
        "openapi": openapi["openapi"],
        "info": {
            "title": "GitHub's REST API, cut down by scripts/trim-openapi.py",
            "version": openapi["info"]["version"],
            "license": openapi["info"]["license"],
        },
        "paths": paths,
        "components": {kind: dict(sorted(parts.items())) for kind, parts in sorted(components.items())},
    }


def write(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def main():
    openapi_package, events_package = map(pathlib.Path, sys.argv[1:3])
    openapi = json.loads((openapi_package / "generated/api.github.com.json").read_text(encoding="utf-8"))
    write(TARGET / "openapi.json", trimmed(openapi))
    webhooks = json.loads((events_package / "api.github.com/index.json").read_text(encoding="utf-8"))
    by_name = {webhook["name"]: webhook["examples"] for webhook in webhooks}
    for file, (name, is_meant) in EVENTS.items():
        write(TARGET / f"events/{file}.json", next(event for event in by_name[name] if is_meant(event)))


if __name__ == "__main__":
    main()
