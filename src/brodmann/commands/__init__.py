"""The commands of ``brodmann``, a module each: ``arguments`` says what it is given, ``run`` does it."""
