"""docker-compose.yml, the image, and the security plugin's files: what can be checked without a Docker engine."""

from __future__ import annotations

import re
import runpy
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from imweb.opensearch import schema
from imweb.opensearch._gateway import Gateway

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OWN = ("certificates", "prepare", "web", "worker", "beat")
ONCE = ("certificates", "prepare")
SECURITY = ROOT / "deploy" / "opensearch"
SECRET = re.compile(r"KEY|PASSWORD|AUTH|SECRET|_URL")


def load(name: str) -> Any:
    return yaml.safe_load((SECURITY / name).read_text())


def test_every_part_is_there() -> None:
    assert set(SERVICES) == {*OWN, "opensearch", "postgres", "redis"}
    assert SERVICES["opensearch"]["image"].startswith("opensearchproject/opensearch:")
    for name in OWN:
        assert SERVICES[name]["build"] == "."


def test_no_secret_is_written_down() -> None:
    for name, service in SERVICES.items():
        for variable, value in service["environment"].items() if service["environment"] else ():
            if SECRET.search(variable) and variable != "OPENSEARCH_CA_CERTS":
                # `:?` stops the start where it is not set; a default would be a secret that everybody knows.
                assert re.search(r"\$\{\w+:\?", value), f"{name}: {variable}"
                assert ":-" not in value, f"{name}: {variable}"
    text = (ROOT / "docker-compose.yml").read_text()
    assert not re.search(r"(?i)password\s*[:=]\s*['\"]?[a-z0-9]", text)


def test_what_runs_on_says_whether_it_is_well() -> None:
    for name, service in SERVICES.items():
        if name in ONCE:
            assert service["healthcheck"] == {"disable": True}
        else:
            assert service["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
            assert service["restart"] == "unless-stopped"
    assert SERVICES["web"]["healthcheck"]["test"][-2:] == ["deploy/healthcheck.py", "ready"]
    for name in ("web", "worker", "beat"):
        assert SERVICES[name]["depends_on"]["prepare"]["condition"] == "service_completed_successfully"


def test_each_part_may_do_little_on_its_machine() -> None:
    for name in OWN:
        assert SERVICES[name]["cap_drop"] == ["ALL"]
        assert SERVICES[name]["read_only"] is True
        assert "no-new-privileges:true" in SERVICES[name]["security_opt"]
    # Only what hands a new volume over to its user starts as root.
    assert [name for name, service in SERVICES.items() if service.get("user", "").startswith("0")] == ["certificates"]
    published = [name for name, service in SERVICES.items() if "ports" in service]
    assert published == ["web"]
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["web"]["ports"])


def test_the_image_does_not_run_as_root() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users[-1] == "im"
    assert not [line for line in lines[lines.index(f"USER {users[-1]}") :] if line.startswith(("RUN", "COPY"))]
    assert any(line.startswith("HEALTHCHECK") and '"live"' in line for line in lines)
    assert "--require-hashes" in "\n".join(lines)


def test_the_image_gets_all_that_it_copies() -> None:
    allowed = (ROOT / ".dockerignore").read_text().splitlines()
    for line in (ROOT / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY ") and "--from" not in line:
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists(), source
                assert f"!{source}" in allowed, source


def test_the_security_plugin_is_on_with_certificates_of_our_own() -> None:
    settings = load("opensearch.yml")
    assert settings["plugins.security.ssl.http.enabled"] is True
    assert "plugins.security.disabled" not in settings
    assert "plugins.security.allow_unsafe_democertificates" not in settings
    environment = SERVICES["opensearch"]["environment"]
    assert environment["DISABLE_INSTALL_DEMO_CONFIG"] == "true"
    assert "DISABLE_SECURITY_PLUGIN" not in environment
    for name in ("opensearch.yml", "internal_users.yml", "roles.yml", "roles_mapping.yml"):
        assert any(volume.startswith(f"./deploy/opensearch/{name}:") for volume in SERVICES["opensearch"]["volumes"])


def test_passwords_come_from_the_environment_of_the_plugin() -> None:
    users = load("internal_users.yml")
    del users["_meta"]
    for user in users.values():
        variable = re.fullmatch(r"\$\{envbc\.(\w+)\}", user["hash"])
        assert variable
        assert variable[1] in SERVICES["opensearch"]["environment"]
    assert load("roles_mapping.yml")["incident_manager"]["users"] == ["im-service"]
    assert "im-service:" in SERVICES["web"]["environment"]["OPENSEARCH_URL"]


def test_the_service_account_reaches_our_indices_and_no_others(settings: Any) -> None:
    settings.IM_INDEX_PREFIX = "im"
    role = load("roles.yml")["incident_manager"]
    assert "*" not in role["cluster_permissions"]
    patterns = [
        re.sub(r"\$\{env\.\w+:-(\w+)\}", r"\1", pattern) for pattern in role["index_permissions"][0]["index_patterns"]
    ]
    for alias in (*schema.document_aliases(), schema.history_alias(), schema.audit_alias()):
        assert any(fnmatchcase(f"{alias}-000001", pattern) for pattern in patterns)
        assert any(fnmatchcase(alias, pattern) for pattern in patterns)
    for foreign in (".opendistro_security", "logs-000001", "imports", "other-im-incidents"):
        assert not any(fnmatchcase(foreign, pattern) for pattern in patterns)
    actions = role["index_permissions"][0]["allowed_actions"]
    assert {"indices:data/read/point_in_time/create", "indices:data/read/point_in_time/delete"} <= set(actions)
    # It can list, and so close, everybody's: a role of its own that nobody has unless he is given it.
    assert "indices:data/read/point_in_time/readall" not in actions
    assert set(load("roles_mapping.yml")) == {"_meta", "incident_manager", "all_access"}


def test_every_call_of_the_gateway_is_allowed_by_name() -> None:
    text = (SECURITY / "roles.yml").read_text()
    # What `raw` asks for is the benchmarks' and the tests' own affair.
    calls = {name for name in vars(Gateway) if not name.startswith("_")} - {"raw"}
    assert not [name for name in calls if not re.search(rf" # .*\b{name}\b", text)]


@pytest.fixture
def made(tmp_path: Path) -> Path:
    assert runpy.run_path(str(ROOT / "deploy" / "certificates.py"))["main"](tmp_path) == 0
    return tmp_path


def test_the_certificates_are_those_that_the_settings_name(made: Path) -> None:
    settings = load("opensearch.yml")
    authority = x509.load_pem_x509_certificate((made / "ca.pem").read_bytes())
    for file, key in (("node", "plugins.security.nodes_dn"), ("admin", "plugins.security.authcz.admin_dn")):
        certificate = x509.load_pem_x509_certificate((made / f"{file}.pem").read_bytes())
        certificate.verify_directly_issued_by(authority)
        assert settings[key] == [certificate.subject.rfc4514_string()]
        assert (made / f"{file}-key.pem").stat().st_mode & 0o777 == 0o600
    node = x509.load_pem_x509_certificate((made / "node.pem").read_bytes())
    names = node.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert "@opensearch:9200" in SERVICES["web"]["environment"]["OPENSEARCH_URL"]
    assert "opensearch" in names


def test_certificates_that_exist_are_kept(made: Path) -> None:
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    runpy.run_path(str(ROOT / "deploy" / "certificates.py"))["main"](made)
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before


def test_the_readme_names_every_setting() -> None:
    sources = [path.read_text() for path in (ROOT / "imweb").rglob("*.py")]
    reads = r'(?:env\.(?:str|bool|int|list|db)|bounded_int|address|environ\.get)\(\s*"([A-Z][A-Z_]+)"'
    names = {name for text in sources for name in re.findall(reads, text)}
    assert {"OPENSEARCH_URL", "IM_PORT", "IM_SECRET_KEY"} <= names
    readme = (ROOT / "README.md").read_text()
    # The last is freedesktop.org's, and honoured.
    assert not [name for name in names - {"XDG_CACHE_HOME"} if f"`{name}`" not in readme]
