"""What a study is to compute."""
