"""longsong: learn one long song frame by frame, and make 30 seconds of new sound."""
