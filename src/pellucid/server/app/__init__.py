"""The composition root: settings → stores → services → doors. It alone knows the engines."""
