"""From what the directories say to what the organization should hold: merge, e-mails, flatten, select. Pure."""
