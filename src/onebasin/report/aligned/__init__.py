"""The report of aligned draws: sentences, tables and figures for the page of `report`."""
