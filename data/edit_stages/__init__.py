"""Edit pairs of real recordings: what is heard is named, separated, checked and exchanged."""
