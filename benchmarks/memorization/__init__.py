"""Parts of the study of what generators remember."""
