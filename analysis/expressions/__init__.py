"""The expression language of selections and features: parsed against an allow-list, evaluated on columns."""
