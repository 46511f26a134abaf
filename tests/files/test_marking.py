"""Signatures are read back by C2PA's own library; what is not installed is said."""

import datetime
import importlib.util
import io
import json
import sys
from pathlib import Path

import c2pa
import numpy as np
import pytest
import soundfile
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from audiogen_jax.files.export import check_suffix, export
from audiogen_jax.files.marking import SIGNED, Marking
from audiogen_jax.files.provenance import MadeWith, Provenance

NOISE = (0.1 * np.random.default_rng(0).standard_normal((8000, 1))).astype(np.float32)
MADE = Provenance("generate", MadeWith("nano", "ab" * 32), "<|caption|> rain", 0, "0")


@pytest.fixture(scope="module")
def signed(tmp_path_factory) -> Marking:
    """A certificate of a root that nobody trusts, and its key."""
    folder = tmp_path_factory.mktemp("certificate")
    root, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    usage = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False
    ) | {"encipher_only": False, "decipher_only": False}
    signs = x509.KeyUsage(digital_signature=True, key_cert_sign=False, crl_sign=False, **usage)
    certifies = x509.KeyUsage(digital_signature=False, key_cert_sign=True, crl_sign=True, **usage)
    leaf = _certificate("signer", key, root, signs)
    leaf = leaf.add_extension(
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
    )
    chain = [
        each.sign(root, hashes.SHA256())
        for each in (leaf, _certificate("root", root, root, certifies))
    ]
    pem = serialization.Encoding.PEM
    (folder / "chain.pem").write_bytes(b"".join(each.public_bytes(pem) for each in chain))
    private = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(pem, *private))
    return Marking(c2pa_certificate=folder / "chain.pem", c2pa_key=folder / "key.pem")


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    root: ec.EllipticCurvePrivateKey,
    usage: x509.KeyUsage,
) -> x509.CertificateBuilder:
    start = datetime.datetime(2026, 1, 1)
    names = [
        x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, each),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "test"),
            ]
        )
        for each in (name, "root")
    ]
    builder = x509.CertificateBuilder(*reversed(names), key.public_key(), len(name))
    builder = builder.not_valid_before(start).not_valid_after(start.replace(year=2046))
    constraints = x509.BasicConstraints(ca=name == "root", path_length=None)
    authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key())
    subject = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    for extension, critical in (
        (constraints, True),
        (usage, True),
        (authority, False),
        (subject, False),
    ):
        builder = builder.add_extension(extension, critical)
    return builder


@pytest.mark.parametrize("suffix", SIGNED)
def test_a_signature_is_read_back_and_guards_the_file(signed: Marking, suffix: str):
    contents = export(NOISE, 16000, suffix, MADE, marking=signed).contents
    with c2pa.Reader(SIGNED[suffix], io.BytesIO(contents)) as reader:
        assert reader.get_validation_state() == "Valid"
        manifest = reader.get_active_manifest()
    said = {each["label"]: each["data"] for each in manifest["assertions"]}
    (action,) = said["c2pa.actions.v2"]["actions"]
    assert action["digitalSourceType"] == MADE.source_type
    assert said["org.audiogen-jax.provenance"]["prompt"] == "<|caption|> rain"
    assert soundfile.info(io.BytesIO(contents)).samplerate == 16000
    changed = bytearray(contents)
    changed[-100 if suffix == ".mp3" else len(changed) // 2] ^= 1  # of the sound
    with c2pa.Reader(SIGNED[suffix], io.BytesIO(bytes(changed))) as reader:
        assert reader.get_validation_state() == "Invalid"


def test_what_cannot_be_signed_is_said(signed: Marking, tmp_path: Path):
    with pytest.raises(ValueError, match=r"C2PA signs \.wav, \.flac, \.mp3 and no \.ogg"):
        check_suffix(Path("a.ogg"), signed)
    with pytest.raises(ValueError, match="needs both a certificate and its key"):
        Marking(c2pa_key=tmp_path)
    with pytest.raises(ValueError, match="it needs the provenance"):
        Marking(False, c2pa_certificate=tmp_path, c2pa_key=tmp_path)
    with pytest.raises(FileNotFoundError):
        _ = Marking(c2pa_certificate=tmp_path / "no", c2pa_key=tmp_path / "no").markers
    wrong = Marking(c2pa_certificate=signed.c2pa_key, c2pa_key=signed.c2pa_certificate)
    with pytest.raises(ValueError, match="sign nothing"):
        _ = wrong.markers


def test_what_is_not_installed_is_said(signed: Marking, monkeypatch: pytest.MonkeyPatch):
    if importlib.util.find_spec("audioseal") is None:
        with pytest.raises(ValueError, match="'audioseal' is not installed .*pip install audio"):
            check_suffix(Path("a.wav"), Marking(watermark="audioseal"))
    with pytest.raises(ValueError, match="watermark='stamp': expected one of"):
        Marking(watermark="stamp")
    monkeypatch.setitem(sys.modules, "c2pa", None)
    fresh = Marking(c2pa_certificate=signed.c2pa_certificate, c2pa_key=signed.c2pa_key)
    with pytest.raises(ValueError, match=r"pip install 'audiogen-jax\[c2pa\]'"):
        _ = fresh.markers


def test_a_watermark_is_put_on_before_the_levels_and_told():
    """The order of marks, with one that is heard: AudioSeal's own needs PyTorch."""

    class Tick:
        name = "tick"

        def mark_audio(self, samples, sample_rate, record):
            assert record["checkpoint"] == "nano" and samples.shape == (8000, 1)
            return samples + np.float32(0.25)

        def mark_file(self, contents, suffix, record):
            return contents + b"end"

    marking = Marking()
    marking.__dict__["markers"] = (Tick(),)
    made = export(NOISE[:, 0], 16000, ".flac", MADE, marking=marking)
    np.testing.assert_allclose(made.samples, NOISE + 0.25, atol=1e-6)
    assert made.contents.endswith(b"end") and json.dumps(made.record)
