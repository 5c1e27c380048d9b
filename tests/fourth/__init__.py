"""A fourth cloud, to prove that adding one takes four small files (here: one) and no others."""
