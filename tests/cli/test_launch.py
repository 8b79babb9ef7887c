from __future__ import annotations

import os
import pty
import shutil
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

from amaze_proxy.launch import Trust, child_environment, exec_child, write_trust

SECRET = "amz_one.s3cret"
PROXY = "http://127.0.0.1:8080"
WITH_CREDENTIALS = f"http://one:{SECRET}@127.0.0.1:8080"


def environment(base: dict[str, str], truststore: Path | None = None) -> dict[str, str]:
    return child_environment(
        base,
        proxy_url=PROXY,
        agent_id="one",
        credential=SECRET,
        ca_pem=Path("/t/ca.pem"),
        bundle=Path("/t/bundle.pem"),
        truststore=truststore,
    )


def test_the_whole_recipe() -> None:
    assert environment({}, Path("/t/store.p12")) == {
        "HTTP_PROXY": WITH_CREDENTIALS,
        "HTTPS_PROXY": WITH_CREDENTIALS,
        "ALL_PROXY": WITH_CREDENTIALS,
        "http_proxy": WITH_CREDENTIALS,
        "https_proxy": WITH_CREDENTIALS,
        "all_proxy": WITH_CREDENTIALS,
        "grpc_proxy": WITH_CREDENTIALS,
        "NO_PROXY": "",
        "no_proxy": "",
        "SSL_CERT_FILE": "/t/bundle.pem",
        "REQUESTS_CA_BUNDLE": "/t/bundle.pem",
        "CURL_CA_BUNDLE": "/t/bundle.pem",
        "AWS_CA_BUNDLE": "/t/bundle.pem",
        "GIT_SSL_CAINFO": "/t/bundle.pem",
        "PIP_CERT": "/t/bundle.pem",
        "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": "/t/bundle.pem",
        "NODE_EXTRA_CA_CERTS": "/t/ca.pem",
        "DENO_CERT": "/t/ca.pem",
        "NODE_USE_ENV_PROXY": "1",
        "GIT_HTTP_PROXY_AUTHMETHOD": "basic",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "AMAZE_AGENT_ID": "one",
        "JAVA_TOOL_OPTIONS": (
            "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=8080 "
            "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=8080 "
            "-Dhttp.nonProxyHosts= -Djdk.http.auth.tunneling.disabledSchemes= "
            "-Djavax.net.ssl.trustStore=/t/store.p12 -Djavax.net.ssl.trustStoreType=PKCS12 "
            "-Djavax.net.ssl.trustStorePassword=changeit"
        ),
    }


@pytest.mark.parametrize(
    "name",
    [
        "SSL_CERT_DIR",
        "NIX_SSL_CERT_FILE",
        "no_grpc_proxy",
        "npm_config_noproxy",
        "AMAZE_ADMIN_KEY",
        "AMAZE_METRICS_KEY",
        "AMAZE_ENROLL_KEY",
        "AMAZE_REDIS_URL",
        "AMAZE_DATABASE_URL",
        "AMAZE_CREDENTIAL",
        "AMAZE_PROXY_URL",
    ],
)
def test_what_would_undo_it_or_says_too_much_is_not_inherited(name: str) -> None:
    assert name not in environment({name: "inherited"})


@pytest.mark.parametrize("name", ["ALL_PROXY", "NO_PROXY", "REQUESTS_CA_BUNDLE", "AMAZE_AGENT_ID"])
def test_what_is_inherited_is_replaced(name: str) -> None:
    assert environment({name: "inherited"}) == environment({})


def test_the_rest_is_inherited() -> None:
    base = {"PATH": "/bin", "OPENAI_API_KEY": "sk-1", "AMAZE_ORCHESTRATOR_URL": "http://c:8001"}
    assert environment(base).items() >= base.items()
    assert "HTTP_PROXY" not in base


def test_java_gets_the_users_options_first_and_no_secret() -> None:
    options = environment({"JAVA_TOOL_OPTIONS": "-Xmx1g"})["JAVA_TOOL_OPTIONS"]
    assert options.startswith("-Xmx1g -Dhttp.proxyHost=")
    assert "trustStore" not in options
    assert "s3cret" not in options


@pytest.mark.parametrize("url", ["", "127.0.0.1:8080", "socks5://h:1", "http://u:p@h:1"])
def test_only_a_plain_proxy_url(url: str) -> None:
    with pytest.raises(ValueError, match="without credentials") as caught:
        child_environment(
            {},
            proxy_url=url,
            agent_id="one",
            credential=SECRET,
            ca_pem=Path("ca"),
            bundle=Path("b"),
            truststore=None,
        )
    assert "s3cret" not in str(caught.value)


def test_ipv6() -> None:
    made = child_environment(
        {},
        proxy_url="http://[::1]:8080",
        agent_id="one",
        credential=SECRET,
        ca_pem=Path("ca"),
        bundle=Path("b"),
        truststore=None,
    )
    assert made["HTTPS_PROXY"] == f"http://one:{SECRET}@[::1]:8080"


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trust(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Trust:
    return write_trust(tmp_path_factory.mktemp("home") / "trust", ca.cert_pem.bytes(), None)


def test_modes(trust: Trust) -> None:
    assert trust.ca.parent.stat().st_mode & 0o777 == 0o700
    for path in (trust.ca, trust.bundle, trust.truststore):
        assert path.stat().st_mode & 0o777 == 0o644
    assert len(list(trust.ca.parent.iterdir())) == 3


def test_the_bundle_has_ours_and_the_public_roots(trust: Trust, ca: trustme.CA) -> None:
    ours = x509.load_pem_x509_certificate(ca.cert_pem.bytes())
    assert x509.load_pem_x509_certificates(trust.ca.read_bytes()) == [ours]
    context = ssl.create_default_context(cafile=str(trust.bundle))
    assert context.cert_store_stats()["x509_ca"] > 50


def test_named_roots_and_one_that_does_not_parse(tmp_path: Path, ca: trustme.CA) -> None:
    company = trustme.CA()
    broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
    roots = tmp_path / "roots.pem"
    roots.write_bytes(broken + company.cert_pem.bytes() + ca.cert_pem.bytes())
    trust = write_trust(tmp_path / "trust", ca.cert_pem.bytes(), roots)
    assert company.cert_pem.bytes() in trust.bundle.read_bytes()
    stored = load_pkcs12(trust.truststore.read_bytes(), b"changeit").additional_certs
    assert {entry.certificate for entry in stored} == {
        x509.load_pem_x509_certificate(one.cert_pem.bytes()) for one in (ca, company)
    }


def test_writing_again_replaces(tmp_path: Path, ca: trustme.CA) -> None:
    roots = tmp_path / "roots.pem"
    roots.write_bytes(ca.cert_pem.bytes())
    other = trustme.CA()
    write_trust(tmp_path / "trust", ca.cert_pem.bytes(), roots)
    trust = write_trust(tmp_path / "trust", other.cert_pem.bytes(), roots)
    assert trust.ca.read_bytes() == other.cert_pem.bytes()
    assert len(list(trust.ca.parent.iterdir())) == 3


def test_no_certificate_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_trust(tmp_path / "trust", b"<html>", None)


def test_java_trusts_the_store(trust: Trust) -> None:
    keytool = shutil.which("keytool")
    if keytool is None:  # no Java here: the attribute that it asks for must be there all the same
        entry = load_pkcs12(trust.truststore.read_bytes(), b"changeit").additional_certs[0]
        assert entry.friendly_name == b"amaze-0"
        return
    listed = subprocess.run(
        [keytool, "-list", "-keystore", str(trust.truststore), "-storepass", "changeit"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "amaze-0" in listed
    assert listed.count("trustedCertEntry") > 50


def test_the_child_runs_in_the_given_environment(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    code = f"import os; open({str(seen)!r}, 'w').write(str(sorted(os.environ)))"
    assert exec_child([sys.executable, "-c", code], {"ONLY": "1"}) == 0
    assert "ONLY" in seen.read_text()
    assert "PATH" not in seen.read_text()


@pytest.mark.parametrize("code", [0, 1, 42])
def test_its_exit_code(code: int) -> None:
    assert exec_child([sys.executable, "-c", f"raise SystemExit({code})"], os.environ) == code


def test_the_signal_that_ended_it() -> None:
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    assert exec_child([sys.executable, "-c", kill], os.environ) == 128 + signal.SIGKILL


def test_a_command_that_does_not_exist() -> None:
    with pytest.raises(FileNotFoundError):
        exec_child(["no-such-command-of-ours"], os.environ)


PATIENT = """
import os, signal, sys
def end(number, frame):
    os._exit(10 + number)
signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
os.kill(os.getppid(), {number})
signal.pause()
"""


@pytest.fixture
def away_from_terminals() -> Iterator[None]:
    """Standard input that is no terminal, whatever this test run has."""
    kept, null = os.dup(0), os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    yield
    os.dup2(kept, 0)
    os.close(kept)
    os.close(null)


@pytest.mark.usefixtures("away_from_terminals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_are_the_childs_to_handle(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    code = exec_child([sys.executable, "-c", PATIENT.format(number=int(number))], os.environ)
    assert code == 10 + number
    assert signal.getsignal(number) is before


ON_A_TERMINAL = """
import os, sys
from amaze_proxy.launch import exec_child
child = '''
import os, signal
interrupts = 0
def note(number, frame):
    # Forwarded signals arrive in order: with SIGTERM, every forwarded SIGINT is here.
    global interrupts
    interrupts += 1
    if interrupts == 1:
        os.kill(os.getppid(), signal.SIGTERM)
def end(number, frame):
    print("interrupts:", interrupts, flush=True)
    os._exit(0)
signal.signal(signal.SIGINT, note)
signal.signal(signal.SIGTERM, end)
print("ready", flush=True)
while True:
    signal.pause()
'''
sys.exit(exec_child([sys.executable, "-c", child], os.environ))
"""


def test_ctrl_c_reaches_the_child_once() -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", ON_A_TERMINAL])
    guard = threading.Timer(30, os.kill, (pid, signal.SIGKILL))
    guard.start()
    output = b""
    with open(terminal, "rb", buffering=0) as screen:
        while b"ready" not in output:
            output += screen.read(1024)
        os.write(terminal, b"\x03")
        try:
            while chunk := screen.read(1024):
                output += chunk
        except OSError:
            pass  # Linux reports the end of a terminal as EIO
    guard.cancel()
    os.waitpid(pid, 0)
    assert b"interrupts: 1" in output
