"""Data model + query + access scope → one governed SELECT. Pure: no Django, clock, network or database."""
