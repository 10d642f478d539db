"""Programs that show what Tidemill is for."""
