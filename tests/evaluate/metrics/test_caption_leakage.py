from audiogen_jax.evaluate.metrics.caption_leakage import caption_leakage

CAPTION = "A calm woman speaks while a dog barks twice near the road."


def test_words_of_the_caption_that_are_heard():
    leakage = caption_leakage(CAPTION, "The dog is asleep", "the DOG is asleep, woman: twice. a")
    assert leakage is not None
    # calm woman speaks barks twice road; the dog is to be spoken
    assert leakage == (2 / 6, ("woman", "twice"), 6)


def test_nothing_heard_and_all_heard():
    assert caption_leakage(CAPTION, None, "") == (0.0, (), 7)
    spoken = caption_leakage(CAPTION, None, CAPTION.upper())
    assert spoken is not None and (spoken.share, len(spoken.leaked)) == (1.0, 7)
    # A word counts once, however often it is written or heard, and only as it is.
    assert caption_leakage("Rain, rain, rains", "", "rain rain rain") == (0.5, ("rain",), 2)


def test_no_word_can_leak():
    assert caption_leakage("It is over there.", None, "it is over there") is None
    assert caption_leakage("a dog", "Dog!", "dog") is None
