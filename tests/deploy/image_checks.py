"""The image and compose.yaml, without a container engine."""

import pathlib
import re
import subprocess
import tomllib

import pytest
import yaml
from conftest import DEPLOY, ROOT, said

DOCKERFILE = (DEPLOY / "Dockerfile").read_text()
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = [pytest.param(service, id=name) for name, service in COMPOSE["services"].items()]


def context():
    """What .dockerignore lets through, of what git knows."""
    wanted = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert wanted[0] == "*" and all(line.startswith("!") for line in wanted[1:])
    names = {line[1:] for line in wanted[1:]}
    known = said("git", "-C", str(ROOT), "ls-files", "--cached", "--others", "--exclude-standard").splitlines()
    return {file for file in known if file.split("/")[0] in names}


def check_hadolint_takes_the_dockerfile():
    said("hadolint", "--failure-threshold", "info", str(DEPLOY / "Dockerfile"))


def check_the_image_is_small_pinned_and_of_a_user_without_rights():
    images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(images) == 2 and images[1].startswith("gcr.io/distroless/")
    assert all(re.search(r":.+$", image) and not image.endswith(":latest") for image in images)
    last = DOCKERFILE.rsplit("FROM ", 1)[1]
    assert "\nUSER 65532:65532\n" in last
    # Without a shell, only this form of a command can be run.
    for instruction in ("ENTRYPOINT", "HEALTHCHECK .* CMD", "CMD"):
        assert re.search(rf'^{instruction} \["', last, re.MULTILINE), instruction
    assert 'CMD ["/usr/local/bin/tidegate", "health"]' in last


def check_the_compiler_is_one_that_the_crate_takes():
    least = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["rust-version"]
    [used] = re.findall(r"^FROM rust:([\d.]+)-", DOCKERFILE, re.MULTILINE)
    assert [int(part) for part in used.split(".")] >= [int(part) for part in least.split(".")]


def check_the_build_has_every_file_it_wants():
    there = context()
    copied = re.findall(r"install .*-t \S+ (.+) \\$", DOCKERFILE, re.MULTILINE)
    wanted = {file for files in copied for file in files.split()}
    manifest = tomllib.loads((ROOT / "Cargo.toml").read_text())
    wanted |= {"Cargo.toml", "Cargo.lock", manifest["bin"][0]["path"]}
    wanted |= {f"benches/{bench['name']}.rs" for bench in manifest["bench"]}
    for source in (file for file in there if file.startswith("src/") and file.endswith(".rs")):
        for named in re.findall(r'include_(?:str|bytes)!\("([^"]+)"\)', (ROOT / source).read_text()):
            wanted.add(str((ROOT / source).parent.joinpath(named).resolve().relative_to(ROOT)))
    assert len(wanted) > 5 and wanted - there == set()


def check_the_schema_takes_compose():
    said("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml"))


@pytest.mark.parametrize("service", SERVICES)
def check_a_service_has_no_more_than_it_needs(service):
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service and "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    # The gateway's stands in its image.
    assert "healthcheck" in service or "build" in service
    assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"]), "pinned"
    assert not any("PASSWORD" in name and not name.endswith("__FILE") for name in service.get("environment", {}))


def check_what_compose_names_is_there():
    services = COMPOSE["services"]
    assert (DEPLOY / services["tidegate"]["build"]["context"] / services["tidegate"]["build"]["dockerfile"]).exists()
    for service in services.values():
        assert set(service["secrets"]) <= set(COMPOSE["secrets"])
        for source, *_ in (volume.split(":") for volume in service["volumes"]):
            assert (DEPLOY / source).exists() if source.startswith(".") else source in COMPOSE["volumes"], source
        assert set(service.get("depends_on", {})) <= set(services)
    [target] = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"][0]["static_configs"][0]["targets"]
    assert target == "tidegate:8087"
    sources = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())["datasources"]
    assert [source["url"] for source in sources] == ["http://prometheus:9090"]
    [provider] = yaml.safe_load((DEPLOY / "grafana/provisioning/dashboards/tidegate.yaml").read_text())["providers"]
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in services["grafana"]["volumes"]


def check_secrets_are_made_once_and_fit(tmp_path):
    script = tmp_path / "secrets.sh"
    script.write_text((DEPLOY / "secrets.sh").read_text())
    shown = said("bash", str(script))
    made = tmp_path / "secrets"
    assert {file.name for file in made.iterdir()} == {pathlib.Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert made.stat().st_mode & 0o777 == 0o700
    clients = {client["name"]: client for client in tomllib.loads((made / "keys.toml").read_text())["client"]}
    keys = dict(line.split() for line in shown.splitlines()) | {"prometheus": (made / "prometheus_key").read_text()}
    assert set(clients) == set(keys)
    for name, key in keys.items():
        told = said("sha256sum", "-", input=key).split()[0]
        assert clients[name]["keys"] == [f"sha256:{told}"] and len(key) == 64
    again = subprocess.run(["bash", str(script)], capture_output=True, text=True)
    assert again.returncode == 1 and "there already" in again.stderr
