"""Hashes that tell checkpoints from each other."""

from audiogen_jax.files.fingerprint import checkpoint_sha256


def test_all_that_a_checkpoint_names_is_part_of_its_hash(tmp_path):
    generator, text = tmp_path / "generator", tmp_path / "text"
    for folder in (generator / "codec", text):
        folder.mkdir(parents=True)
        (folder / "model.safetensors").write_text(folder.name)
    alone = checkpoint_sha256(generator)
    assert checkpoint_sha256(generator, generator / "codec", generator / "../generator") == alone
    whole = checkpoint_sha256(generator, text, generator / "codec")
    assert whole != alone
    assert whole == checkpoint_sha256(generator, generator / "codec", generator / ".." / "text")
    assert whole == checkpoint_sha256(generator, text, text)
    (text / "model.safetensors").write_text("another one")
    assert checkpoint_sha256(generator, text) != whole
    (text / "model.safetensors").write_text("text")
    for note in ("sha256.json", "README.md"):  # say nothing new
        (text / note).write_text("{}")
    assert checkpoint_sha256(generator, text) == whole
