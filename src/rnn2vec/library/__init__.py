"""What a user does with a zoo: embed, search, duplicates, lineage, compare, atlas. It knows no file and no family."""
