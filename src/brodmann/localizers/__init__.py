"""Functional localizers: units that respond more to one kind of text than to another, and lesions of them."""
