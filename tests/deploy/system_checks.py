"""Kubernetes, systemd, shells and the manual, each by the tool that reads it."""

import re
import subprocess
import tomllib

import kubernetes_validate
import pytest
import yaml
from conftest import DEPLOY, ROOT, said

# The oldest and the newest version that the manifests are for.
KUBERNETES = ["1.29", "1.37"]
UNIT = DEPLOY / "systemd/tidegate.service"
DEFAULTS = tomllib.loads((ROOT / "config/tidegate.toml").read_text())


def manifests(folder):
    text = said("kubectl", "kustomize", str(DEPLOY / "kubernetes" / folder))
    return {document["kind"]: document for document in yaml.safe_load_all(text)}


@pytest.mark.parametrize("version", KUBERNETES)
def check_kubernetes_takes_the_manifests(version):
    documents = list(manifests("gateway").values())
    documents += yaml.safe_load_all((DEPLOY / "kubernetes/secret.example.yaml").read_text())
    assert len(documents) == 9
    for document in documents:
        kubernetes_validate.validate(document, version, strict=True)


def check_kubernetes_manifests_fit_each_other():
    documents = manifests("gateway")
    pod = documents["Deployment"]["spec"]["template"]
    labels = pod["metadata"]["labels"].items()
    for selector in (
        documents["Deployment"]["spec"]["selector"]["matchLabels"],
        documents["Service"]["spec"]["selector"],
        documents["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        documents["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels
    [container] = pod["spec"]["containers"]
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["spec"]["volumes"]}
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert volumes["settings"]["configMap"]["name"] == documents["ConfigMap"]["metadata"]["name"]
    assert volumes["store"]["persistentVolumeClaim"]["claimName"] == documents["PersistentVolumeClaim"]["metadata"]["name"]
    secrets = {secret["metadata"]["name"]: secret for secret in yaml.safe_load_all((DEPLOY / "kubernetes/secret.example.yaml").read_text())}
    keys = secrets[volumes["keys"]["secret"]["secretName"]]["stringData"]
    paths = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    settings = tomllib.loads(documents["ConfigMap"]["data"]["tidegate.toml"])
    assert settings["access"]["keys_file"] in {f"{paths['keys']}/{name}" for name in keys}
    assert settings["store"]["path"] == paths["store"]
    assert container["args"] == ["serve", "--config", f"{paths['settings']}/tidegate.toml"]
    [port] = container["ports"]
    assert settings["server"]["listen"] == f"0.0.0.0:{port['containerPort']}"
    assert documents["Service"]["spec"]["ports"][0]["targetPort"] == port["name"]
    grace = pod["spec"]["terminationGracePeriodSeconds"]
    assert grace > seconds(DEFAULTS["server"]["drain_grace"]) + seconds(DEFAULTS["server"]["drain_delay"])
    assert documents["Deployment"]["spec"]["replicas"] == 1
    assert documents["Deployment"]["spec"]["strategy"] == {"type": "Recreate"}


def check_the_gateway_takes_its_settings_and_keys(binary, tmp_path):
    secrets = list(yaml.safe_load_all((DEPLOY / "kubernetes/secret.example.yaml").read_text()))
    keys = tmp_path / "keys.toml"
    keys.write_text(secrets[0]["stringData"]["keys.toml"])
    settings = tmp_path / "tidegate.toml"
    text = (DEPLOY / "kubernetes/gateway/tidegate.toml").read_text()
    settings.write_text(text.replace("/etc/tidegate/keys/keys.toml", str(keys)))
    assert said(binary, "check", str(settings)) == "OK\n"
    keys.write_text(keys.read_text().replace('"ops"', '"root"'))
    refused = subprocess.run([binary, "check", str(settings)], capture_output=True, text=True, timeout=60)
    assert refused.returncode == 1 and "root" in refused.stderr, refused


def check_the_monitor_finds_the_service_and_its_key():
    """ServiceMonitor and PrometheusRule are the Prometheus Operator's, and no part of those schemas."""
    gateway, monitoring = manifests("gateway"), manifests("monitoring")
    assert set(monitoring) == {"ServiceMonitor", "PrometheusRule"}
    monitor = monitoring["ServiceMonitor"]
    assert monitor["apiVersion"] == "monitoring.coreos.com/v1"
    assert monitor["metadata"]["namespace"] == gateway["Service"]["metadata"]["namespace"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= gateway["Service"]["metadata"]["labels"].items()
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["port"] in {port["name"] for port in gateway["Service"]["spec"]["ports"]}
    key = endpoint["authorization"]["credentials"]
    secrets = {secret["metadata"]["name"]: secret for secret in yaml.safe_load_all((DEPLOY / "kubernetes/secret.example.yaml").read_text())}
    assert key["key"] in secrets[key["name"]]["stringData"]


def check_kubernetes_has_the_rules_as_prometheus_has_them(tmp_path):
    spec = manifests("monitoring")["PrometheusRule"]["spec"]
    files = [yaml.safe_load((DEPLOY / f"prometheus/rules/{name}.yml").read_text()) for name in ("recording", "alerts")]
    assert spec["groups"] == [group for file in files for group in file["groups"]]
    rules = tmp_path / "rules.yml"
    rules.write_text(yaml.safe_dump(spec))
    said("promtool", "check", "rules", str(rules))


@pytest.fixture
def unit(tmp_path, binary):
    """The unit as installed, with a binary that is there."""
    file = tmp_path / UNIT.name
    file.write_text(UNIT.read_text().replace("/usr/local/bin/tidegate", binary))
    (tmp_path / f"{UNIT.name}.d").mkdir()
    (tmp_path / f"{UNIT.name}.d/keys.conf").write_text((DEPLOY / "systemd/keys.conf").read_text())
    return str(file)


def check_systemd_takes_the_unit_without_a_word(unit):
    assert said("systemd-analyze", "verify", unit) == ""


def check_systemd_finds_the_unit_hardly_exposed(unit):
    """From 0, safe, to 100; a service without any setting has 96."""
    said("systemd-analyze", "security", "--offline=true", "--threshold=15", unit)


def check_the_unit_waits_for_the_drain():
    [patience] = re.findall(r"^TimeoutStopSec=(\S+)", UNIT.read_text(), re.MULTILINE)
    assert seconds(patience) > seconds(DEFAULTS["server"]["drain_grace"])


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def check_a_shell_takes_its_completions(binary, tmp_path, shell):
    script = tmp_path / f"tidegate.{shell}"
    script.write_text(said(binary, "completions", shell))
    assert "backfill" in script.read_text()
    assert said(shell, "-n", str(script)) == ""


def check_completions_complete_in_bash(binary, tmp_path):
    script = tmp_path / "tidegate.bash"
    script.write_text(said(binary, "completions", "bash"))
    ask = 'source "$1"; COMP_WORDS=(tidegate back); COMP_CWORD=1; _tidegate tidegate back tidegate; echo "${COMPREPLY[@]}"'
    assert said("bash", "-c", ask, "bash", str(script)) == "backfill\n"


def check_the_manual_can_be_read(binary, tmp_path):
    names = said(binary, "man", "--list").split()
    commands = re.findall(r"^  (\w+) ", said(binary, "--help").split("Commands:")[1].split("Options:")[0], re.MULTILINE)
    assert names == ["tidegate"] + [f"tidegate-{name}" for name in commands if name != "help"]
    for name in names:
        page = tmp_path / f"{name}.1"
        page.write_text(said(binary, "man", *name.split("-", 1)[1:]))
        said("mandoc", "-Tlint", "-Werror", str(page))
        read = said("man", "--warnings", "--local-file", str(page))
        assert re.search(rf"NAME\s+{name}\s+-\s+\w", read), read


def seconds(text):
    [(count, unit)] = re.findall(r"^(\d+)(s|m)$", text)
    return int(count) * {"s": 1, "m": 60}[unit]
