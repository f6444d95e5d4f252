"""The op table's rows by family; op_table.py puts them together."""
